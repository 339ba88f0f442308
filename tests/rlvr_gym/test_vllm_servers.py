"""Two real vLLM servers on this machine."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.generation.conformance import check_trainable_generator
from rlvr_gym.generation.vllm.servers import VLLMServersGenerator
from rlvr_gym.generation.vllm.weights_file import WeightsFile
from rlvr_gym.verdicts import Completion
from tests.rlvr_gym.vllm_engines import (
    LAST_RESORT_SECONDS,
    PROMPTS,
    RunningServer,
    follows,
    request,
    wait_for_all,
)

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(LAST_RESORT_SECONDS),
    pytest.mark.filterwarnings("ignore"),  # other people's deprecations, in older versions
]

Llama = tuple[Path, PreTrainedModel]


def generator_of(servers: list[RunningServer], llama: Llama, folder: Path) -> VLLMServersGenerator:
    """With weights of its own: an earlier test may have left others in the servers."""
    generator = VLLMServersGenerator(
        [server.url for server in servers], llama[0], weights_folder=folder, concurrency=16
    )
    generator.update_weights(llama[1].named_parameters(), 0)
    return generator


def changed(model: PreTrainedModel, factor: float) -> PreTrainedModel:
    other = copy.deepcopy(model)
    with torch.no_grad():
        for name, weight in other.named_parameters():
            weight *= factor if "proj" in name else 1.0
    return other


def samples_follow(generator: VLLMServersGenerator, model: PreTrainedModel) -> None:
    """Assert that samples are those of a model with these weights."""
    version = generator.weights_version
    assert version is not None
    for _, group in generator.generate(PROMPTS, 8, SamplingParams(max_tokens=6)):
        for completion in group:
            follows(completion, {version: model})


def tokens(groups: dict[int, list[Completion]]) -> list[list[tuple[int, ...]]]:
    return [[completion.token_ids for completion in groups[index]] for index in sorted(groups)]


def test_two_servers_honour_the_contract(
    vllm_servers: list[RunningServer], vllm_llama: Llama, tmp_path: Path
):
    generator = generator_of(vllm_servers, vllm_llama, tmp_path)
    check_trainable_generator(generator, vllm_llama[1], PROMPTS, tolerance=1e-4)
    assert len(list(tmp_path.iterdir())) == 1  # the weights that a server is given which comes back
    generator.close()
    assert not list(tmp_path.iterdir())


def test_servers_that_have_the_weights_of_another_run_are_not_sampled_from(
    vllm_servers: list[RunningServer], vllm_llama: Llama, tmp_path: Path
):
    generator_of(vllm_servers, vllm_llama, tmp_path).close()
    stranger = VLLMServersGenerator([vllm_servers[0].url], vllm_llama[0], weights_folder=tmp_path)
    assert stranger.weights_version is None
    with pytest.raises(TrainingError, match="nothing is sampled"):
        stranger.generate(PROMPTS, 1, SamplingParams(max_tokens=2))


def test_samples_under_way_at_an_update_say_which_weights_sampled_them(
    vllm_servers: list[RunningServer], vllm_llama: Llama, tmp_path: Path
):
    generator = generator_of(vllm_servers, vllm_llama, tmp_path)
    generator.end_ids = frozenset()  # all samples are long: many are under way when the weights change
    old, new = vllm_llama[1], changed(vllm_llama[1], 1.3)
    groups = generator.generate(
        [request(f"{i}" * 70, i) for i in range(8)], 8, SamplingParams(max_tokens=150)
    )
    found = list(next(groups)[1])
    generator.update_weights(new.named_parameters(), 1)
    found += [completion for _, group in groups for completion in group]
    assert len(found) == 64
    spans = [[span.version for span in completion.sampled_under] for completion in found]
    assert all(versions == sorted(versions) for versions in spans)
    assert [0, 1] in spans
    assert [1] in spans
    for completion in found:
        follows(completion, {0: old, 1: new})
    generator.close()


def left_open(server: RunningServer, weights: Path | None) -> None:
    """An update as a trainer leaves it that is killed before it has sent the weights, or after."""
    server.post("/pause?mode=keep")
    server.post("/init_weight_transfer_engine", b'{"init_info": {}}')
    server.post("/start_weight_update")
    if weights is not None:
        server.post("/update_weights", json.dumps({"update_info": {"path": str(weights)}}).encode())


@pytest.mark.parametrize("arrived", [False, True])
def test_an_update_that_a_killed_trainer_left_open_is_closed_by_the_next_trainer_too(
    vllm_servers: list[RunningServer], vllm_llama: Llama, tmp_path: Path, arrived: bool
):
    generator = generator_of(vllm_servers, vllm_llama, tmp_path)
    killed = WeightsFile.written(dict(changed(vllm_llama[1], 1.7).named_parameters()), tmp_path).path
    left_open(vllm_servers[0], killed if arrived else None)
    generator.update_weights(changed(vllm_llama[1], 1.2).named_parameters(), 1)
    samples_follow(generator, changed(vllm_llama[1], 1.2))
    for server in vllm_servers:
        left_open(server, killed if arrived else None)
    generator.close()
    after = VLLMServersGenerator(
        [server.url for server in vllm_servers], vllm_llama[0], weights_folder=tmp_path
    )
    assert after.weights_version is None
    after.update_weights(changed(vllm_llama[1], 0.9).named_parameters(), 1)
    assert after._fleet.trouble() == "all servers answer"
    samples_follow(after, changed(vllm_llama[1], 0.9))
    after.close()


def test_half_of_the_weights_are_refused_by_the_servers_too_and_a_whole_update_mends_them(
    vllm_servers: list[RunningServer], vllm_llama: Llama, tmp_path: Path
):
    generator = generator_of(vllm_servers, vllm_llama, tmp_path)
    half = dict(list(vllm_llama[1].named_parameters())[:6])
    with pytest.raises(TrainingError, match="no server took the weights"):
        generator._fleet.load(WeightsFile.written(half, tmp_path))
    generator.update_weights(changed(vllm_llama[1], 1.1).named_parameters(), 2)
    samples_follow(generator, changed(vllm_llama[1], 1.1))
    generator.close()


def test_a_server_killed_in_the_middle_is_left_out_and_taken_back_with_current_weights(
    vllm_servers: list[RunningServer], vllm_llama: Llama, tmp_path: Path
):
    generator = generator_of(vllm_servers, vllm_llama, tmp_path)
    prompts = [request(f"{seed:03d}" * 20, seed) for seed in range(6)]
    new = changed(vllm_llama[1], 1.3)
    generator.update_weights(new.named_parameters(), 1)
    whole = tokens(dict(generator.generate(prompts, 4, SamplingParams(max_tokens=60))))
    groups = generator.generate(prompts, 4, SamplingParams(max_tokens=60))
    found = dict([next(groups)])
    vllm_servers[1].kill()
    found |= dict(groups)
    assert tokens(found) == whole
    assert all(c.oldest_weights == 1 for group in found.values() for c in group)
    newest = changed(vllm_llama[1], 0.8)
    generator.update_weights(newest.named_parameters(), 2)
    vllm_servers[1].start()  # with its first weights
    vllm_servers[1].wait()
    wait_for_all(generator)
    generator._fleet._servers[0].trouble = "left out, so that the other one samples"
    samples_follow(generator, newest)
    generator.close()
