"""Two real vLLM servers on this machine."""

from __future__ import annotations

import copy
import threading
import time
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.base import SamplingParams, TokenSequence
from rlvr_gym.generation.conformance import check_trainable_generator
from rlvr_gym.generation.vllm.servers import VLLMServersGenerator
from rlvr_gym.generation.vllm.weights_file import WeightsFile
from rlvr_gym.verdicts import Completion
from tests.rlvr_gym.vllm_engines import PROMPTS, RunningServer, request

pytestmark = [
    pytest.mark.vllm,
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


def changed(model: PreTrainedModel, factor: float) -> list[tuple[str, torch.Tensor]]:
    return [
        (name, weight.detach() * (factor if "proj" in name else 1.0))
        for name, weight in model.named_parameters()
    ]


def follows(
    generator: VLLMServersGenerator, weights: list[tuple[str, torch.Tensor]], like: PreTrainedModel
) -> None:
    """Assert that samples are those of a model with these weights."""
    model = copy.deepcopy(like)
    with torch.no_grad():
        for (_, weight), (_, new) in zip(model.named_parameters(), weights, strict=True):
            weight.copy_(new)
    for _, group in generator.generate(PROMPTS, 8, SamplingParams(max_tokens=6)):
        for completion in group:
            ids = torch.tensor([[*completion.prompt_token_ids, *completion.token_ids]])
            with torch.no_grad():
                logits = model(input_ids=ids).logits[0, len(completion.prompt_token_ids) - 1 : -1]
            plain = torch.log_softmax(logits, -1).gather(-1, torch.tensor(completion.token_ids)[:, None])[
                :, 0
            ]
            torch.testing.assert_close(torch.tensor(completion.logprobs), plain, atol=1e-4, rtol=0.0)


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
    found: list[Completion] = []

    def sample() -> None:
        for _, group in generator.generate([request("2" * 70, 2)], 32, SamplingParams(max_tokens=150)):
            found.extend(group)

    sampling = threading.Thread(target=sample)
    sampling.start()
    new = changed(vllm_llama[1], 1.3)
    time.sleep(0.5)
    generator.update_weights(new, 1)
    sampling.join()
    assert {span.version for completion in found for span in completion.sampled_under} == {0, 1}
    for completion in found:
        assert sum(span.tokens for span in completion.sampled_under) == len(completion.token_ids)
        versions = [span.version for span in completion.sampled_under]
        assert versions == sorted(versions)
        last = completion.sampled_under[-1]
        after = completion.token_ids[-last.tokens :]
        before = completion.token_ids[: -last.tokens]
        sequence = TokenSequence(
            prompt_token_ids=(*completion.prompt_token_ids, *before), token_ids=after[:3]
        )
        if last.version == 1:
            (scored,) = generator.score([sequence])
            assert scored == pytest.approx(completion.logprobs[-last.tokens :][:3], abs=1e-4)
    generator.close()


def test_an_update_that_a_killed_trainer_left_open_is_closed_by_the_next_trainer_too(
    vllm_servers: list[RunningServer], vllm_llama: Llama, tmp_path: Path
):
    generator = generator_of(vllm_servers, vllm_llama, tmp_path)
    vllm_servers[0].post("/pause?mode=keep")
    vllm_servers[0].post("/start_weight_update")
    generator.update_weights(changed(vllm_llama[1], 1.2), 1)
    follows(generator, changed(vllm_llama[1], 1.2), vllm_llama[1])
    vllm_servers[1].post("/pause?mode=keep")
    vllm_servers[1].post("/start_weight_update")
    generator.close()
    after = VLLMServersGenerator(
        [server.url for server in vllm_servers], vllm_llama[0], weights_folder=tmp_path
    )
    assert after.weights_version is None
    after.update_weights(changed(vllm_llama[1], 0.9), 1)
    follows(after, changed(vllm_llama[1], 0.9), vllm_llama[1])
    after.close()


def test_half_of_the_weights_are_refused_by_the_servers_too_and_a_whole_update_mends_them(
    vllm_servers: list[RunningServer], vllm_llama: Llama, tmp_path: Path
):
    generator = generator_of(vllm_servers, vllm_llama, tmp_path)
    half = dict(list(vllm_llama[1].named_parameters())[:6])
    with pytest.raises(TrainingError, match="no server took the weights"):
        generator._fleet.load(WeightsFile.written(half, tmp_path))
    generator.update_weights(changed(vllm_llama[1], 1.1), 2)
    follows(generator, changed(vllm_llama[1], 1.1), vllm_llama[1])
    generator.close()


def test_a_server_killed_in_the_middle_is_left_out_and_taken_back_with_current_weights(
    vllm_servers: list[RunningServer], vllm_llama: Llama, tmp_path: Path
):
    generator = generator_of(vllm_servers, vllm_llama, tmp_path)
    prompts = [request(f"{seed:03d}" * 20, seed) for seed in range(6)]
    new = changed(vllm_llama[1], 1.3)
    generator.update_weights(new, 1)
    whole = tokens(dict(generator.generate(prompts, 4, SamplingParams(max_tokens=60))))
    groups = generator.generate(prompts, 4, SamplingParams(max_tokens=60))
    found = dict([next(groups)])
    vllm_servers[1].kill()
    found |= dict(groups)
    assert tokens(found) == whole
    assert all(c.oldest_weights == 1 for group in found.values() for c in group)
    newest = changed(vllm_llama[1], 0.8)
    generator.update_weights(newest, 2)
    vllm_servers[1].start()  # with its first weights
    vllm_servers[1].wait()
    ends = time.monotonic() + 60
    while generator._fleet.trouble() != "all servers answer" and time.monotonic() < ends:
        time.sleep(0.2)
    assert generator._fleet.trouble() == "all servers answer"
    vllm_servers[0].kill()
    follows(generator, newest, vllm_llama[1])
    generator.close()
