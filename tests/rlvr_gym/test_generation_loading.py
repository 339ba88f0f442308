from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.loading import load_model, weights_hash
from rlvr_gym.generation.tiny import tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model, tokenizer = tiny_model(seed=0)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_a_folder_is_loaded_as_it_was_saved(folder: Path):
    model, tokenizer = load_model(folder)
    assert not model.training
    assert tokenizer.encode("1+1=") == tiny_model(seed=0)[1].encode("1+1=")
    assert weights_hash(model) == weights_hash(folder) == weights_hash(tiny_model(seed=0)[0])


def test_tiny_is_created_on_the_spot_from_its_seed_and_alphabet():
    model, tokenizer = load_model("tiny", seed=4)
    assert weights_hash(model) == weights_hash(tiny_model(seed=4)[0]) != weights_hash("tiny")
    assert len(tokenizer) == 100
    assert len(load_model("tiny:0123456789+=")[1]) == 16


def test_weights_come_in_the_number_format_asked_for(folder: Path):
    for source in (folder, "tiny"):
        assert load_model(source)[0].dtype == torch.float32
        assert {weight.dtype for weight in load_model(source, "bfloat16")[0].parameters()} == {torch.bfloat16}
    with pytest.raises(ConfigError, match="no dtype 'int8'; possible: auto, float32, bfloat16, float16"):
        load_model("tiny", "int8")


def test_the_hash_changes_with_any_weight():
    model, _ = tiny_model(seed=0)
    before = weights_hash(model)
    with torch.no_grad():
        next(model.parameters())[0, 0] += 1e-6
    assert weights_hash(model) != before


@pytest.mark.parametrize(
    "path", ["./nowhere/at/all", "./nowhere", "../nowhere", "../../nowhere", "runs/../nowhere"]
)
def test_a_path_that_is_not_there_says_what_was_looked_for_and_what_is_possible(path: str):
    with pytest.raises(ConfigError) as refused:
        load_model(path)
    assert f"no model '{path}': there is no folder /" in str(refused.value)
    assert "the hub" not in str(refused.value)
    assert "possible: " in str(refused.value)
    assert "'tiny'" in str(refused.value)


def test_a_folder_without_a_model_names_what_it_holds(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ConfigError, match=r"holds no model that can be read \(found in it: notes.txt\)"):
        load_model(tmp_path)


def test_a_model_of_another_kind_is_refused_by_name(folder: Path):
    BertConfig(architectures=["BertForMaskedLM"]).save_pretrained(folder)
    with pytest.raises(ConfigError, match="is a BertForMaskedLM, not a causal language model"):
        load_model(folder)


def test_a_missing_tokenizer_is_named(folder: Path):
    for file in folder.glob("token*"):
        file.unlink()
    with pytest.raises(ConfigError, match=r"holds a model but no tokenizer .*tokenizer\.json"):
        load_model(folder)


def test_missing_and_torn_weights_are_named(folder: Path):
    weights = load_file(folder / "model.safetensors")
    weights.pop("transformer.wpe.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"lacks 1 of the model's weights, transformer.wpe.weight for one"):
        load_model(folder)
    (folder / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ConfigError, match="cannot read the weights of"):
        load_model(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"cannot read the weights of .*no file named model\.safetensors"):
        load_model(folder)
