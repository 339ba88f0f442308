"""vLLM in this process, the real one."""

from __future__ import annotations

import copy
import gc
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from transformers import PreTrainedModel

from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation.base import GenerationRequest, SamplingParams
from rlvr_gym.generation.conformance import check_trainable_generator
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.verdicts import Completion, FinishReason
from tests.rlvr_gym.vllm_engines import BLOCK, CONTEXT, LAST_RESORT_SECONDS, PROMPTS, follows, request

if TYPE_CHECKING:
    from rlvr_gym.generation.vllm.engine import VLLMGenerator

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(LAST_RESORT_SECONDS),
    pytest.mark.filterwarnings("ignore"),  # vLLM's own deprecations, at its first steps
]


def sample(
    generator: VLLMGenerator, prompts: list[GenerationRequest], n: int = 1, max_tokens: int = 8
) -> dict[int, list[Completion]]:
    return dict(generator.generate(prompts, n, SamplingParams(max_tokens=max_tokens)))


def test_vllm_in_this_process_honours_the_contract(
    vllm_engine: VLLMGenerator, vllm_llama: tuple[Path, PreTrainedModel]
):
    check_trainable_generator(vllm_engine, vllm_llama[1], PROMPTS, tolerance=1e-4)


TIED = f"""
from pathlib import Path
from rlvr_gym.generation.conformance import check_trainable_generator
from rlvr_gym.generation.vllm.engine import VLLMGenerator
from tests.rlvr_gym.vllm_engines import PROMPTS, saved_llama

model = saved_llama(Path("tied"), tied=True)
generator = VLLMGenerator("tied", max_batch_rows=64, max_batch_tokens=2048, options={{"block_size": {BLOCK}}})
check_trainable_generator(generator, model, PROMPTS, tolerance=1e-4)
"""


def test_a_model_whose_head_is_its_embedding_gets_new_weights_in_both(needs_vllm: None, tmp_path: Path):
    """In a process of its own, which holds one engine."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", TIED],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root), "VLLM_LOGGING_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_it_ends_turns_encodes_replies_and_refuses_prompts_as_the_sampler_of_transformers_does(
    vllm_engine: VLLMGenerator, vllm_llama: tuple[Path, PreTrainedModel]
):
    ours = TransformersGenerator(vllm_llama[1], vllm_engine.tokenizer)
    assert vllm_engine.end_ids == ours.end_ids == {2, 13}
    completion = sample(vllm_engine, PROMPTS[:1])[0][0]
    answer = PROMPTS[0].messages
    assert vllm_engine.encode_reply(completion, answer) == ours.encode_reply(completion, answer)
    said = []
    for generator in (vllm_engine, ours):
        with pytest.raises(ConfigError) as refused:
            generator.generate(PROMPTS[:1], 1, SamplingParams(max_tokens=CONTEXT - 79))
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert "lower max_tokens to at most 176" in said[0]


def test_many_turns_end_at_their_first_end_token_or_are_truncated(vllm_engine: VLLMGenerator):
    groups = sample(vllm_engine, [request(f"{seed}", seed) for seed in range(32)], n=2, max_tokens=3)
    found = [completion for group in groups.values() for completion in group]
    for completion in found:
        assert not vllm_engine.end_ids.intersection(completion.token_ids[:-1])
        stopped = completion.token_ids[-1] in vllm_engine.end_ids
        assert completion.finish_reason is (FinishReason.STOP if stopped else FinishReason.LENGTH)
        assert stopped or len(completion.token_ids) == 3
    assert {completion.finish_reason for completion in found} == {FinishReason.STOP, FinishReason.LENGTH}


def test_a_full_context_gives_an_empty_completion(vllm_engine: VLLMGenerator):
    full = GenerationRequest(messages=(), token_ids=(4,) * CONTEXT, seed=0)
    (completion,) = sample(vllm_engine, [full])[0]
    assert (completion.token_ids, completion.finish_reason) == ((), FinishReason.LENGTH)


def test_prompts_that_do_not_fit_into_one_step_together_are_still_computed_whole(vllm_engine: VLLMGenerator):
    """vLLM would cut one in pieces, which fails on a CPU for a request with a seed."""
    prompts = [request(f"{seed:03d}" * 70, seed) for seed in range(24)]
    together = sample(vllm_engine, prompts)
    assert sum(len(group[0].prompt_token_ids) for group in together.values()) > 2 * 2048
    assert together[20][0].token_ids == sample(vllm_engine, prompts[20:21])[0][0].token_ids


def test_samples_that_nobody_waits_for_any_more_leave_the_engine(vllm_engine: VLLMGenerator):
    for _ in vllm_engine.generate(PROMPTS, 4, SamplingParams(max_tokens=100)):
        break
    gc.collect()
    assert not vllm_engine._engine.has_unfinished_requests()
    assert not vllm_engine._finished


def test_sampling_leaves_random_states_and_threads_as_they_were(vllm_engine: VLLMGenerator):
    before = torch.random.get_rng_state(), random.getstate(), torch.get_num_threads()
    sample(vllm_engine, PROMPTS, n=3)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    torch.set_num_threads(before[2] + 1)  # vLLM puts in its place what does nothing
    assert torch.get_num_threads() == before[2] + 1
    torch.set_num_threads(before[2])


def test_an_update_that_fails_half_way_stops_sampling_until_a_whole_one_mends_it(
    vllm_engine: VLLMGenerator, vllm_llama: tuple[Path, PreTrainedModel]
):
    model = vllm_llama[1]
    weights = list(model.named_parameters())
    half = len(weights) // 2
    broken = [(name, w if place < half else w.to("meta")) for place, (name, w) in enumerate(weights)]
    with pytest.raises(TrainingError, match="did not take the weights of version 3"):
        vllm_engine.update_weights(broken, 3)
    with pytest.raises(TrainingError, match="nothing is sampled"):
        vllm_engine.generate(PROMPTS, 1, SamplingParams(max_tokens=4))
    vllm_engine.update_weights(weights, 4)
    check_trainable_generator(vllm_engine, model, PROMPTS[:1], n=1, tolerance=1e-4)


def test_samples_under_way_go_on_under_new_weights_and_say_which(
    vllm_engine: VLLMGenerator, vllm_llama: tuple[Path, PreTrainedModel]
):
    old, new = vllm_llama[1], copy.deepcopy(vllm_llama[1])
    with torch.no_grad():
        for name, weight in new.named_parameters():
            weight *= 1.3 if "proj" in name else 1.0
    vllm_engine.update_weights(old.named_parameters(), 10)
    short, long = request("1" * 70, 1), request("2" * 70, 2)
    groups = vllm_engine.generate([short, *[long] * 8], 6, SamplingParams(max_tokens=100))
    found = [next(groups)[1]]
    vllm_engine.update_weights(new.named_parameters(), 11)
    found += [group for _, group in groups]
    crossed = [c for group in found for c in group if len(c.sampled_under) == 2]
    assert crossed
    assert all(completion.oldest_weights == 10 for completion in crossed)
    for completion in crossed:
        follows(completion, {10: old, 11: new})
    vllm_engine.update_weights(old.named_parameters(), 12)


def test_an_engine_made_without_sleep_says_so(vllm_engine: VLLMGenerator):
    with pytest.raises(ConfigError, match="sleeps=True"):
        vllm_engine.sleep()
