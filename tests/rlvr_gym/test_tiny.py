from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.tiny import PRINTABLE, character_tokenizer, tiny_model


def test_the_tiny_model_has_about_120_000_parameters():
    model, tokenizer = tiny_model(seed=0)
    assert 118_000 < sum(weight.numel() for weight in model.parameters()) < 124_000
    assert len(tokenizer) == model.config.vocab_size == 100


def test_equal_seeds_give_equal_weights_and_leave_the_global_random_state_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, _ = tiny_model(seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    again, _ = tiny_model(seed=1)
    other, _ = tiny_model(seed=2)
    weights, same, different = (model.state_dict() for model in (first, again, other))
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    assert not torch.equal(weights["lm_head.weight"], different["lm_head.weight"])


def test_every_printable_character_is_one_token_and_comes_back():
    tokenizer = character_tokenizer()
    ids = tokenizer.encode(PRINTABLE)
    assert len(ids) == len(PRINTABLE) == 96
    assert tokenizer.decode(ids) == PRINTABLE
    assert tokenizer.decode(tokenizer.encode("a , b .\n")) == "a , b .\n"
    assert tokenizer.encode("é") == [tokenizer.unk_token_id]


def test_a_prompt_is_its_contents_and_nothing_else():
    _, tokenizer = tiny_model(seed=0, alphabet="0123456789+=")
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "12+34="}], tokenize=False, add_generation_prompt=True
    )
    assert text == "12+34="


def test_model_and_tokenizer_survive_save_pretrained(tmp_path: Path):
    model, tokenizer = tiny_model(seed=0, alphabet="01+=\n ")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    read = AutoTokenizer.from_pretrained(tmp_path)
    ids = torch.tensor([tokenizer.encode("1+ 0=\n")])
    assert read.encode("1+ 0=\n") == ids[0].tolist()
    assert read.decode(ids[0]) == "1+ 0=\n"
    assert read.chat_template == tokenizer.chat_template
    assert torch.equal(loaded(input_ids=ids).logits, model(input_ids=ids).logits)


def test_shapes_that_cannot_be_built_are_refused():
    with pytest.raises(ConfigError, match="hidden size of 60 cannot be shared by 8 heads"):
        tiny_model(seed=0, hidden=60, heads=8)
    with pytest.raises(ConfigError, match="different characters, not '0110'"):
        tiny_model(seed=0, alphabet="0110")
