"""vLLM on a node of a Ray cluster, the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import PreTrainedModel

from rlvr_gym.generation.conformance import check_trainable_generator
from rlvr_gym.generation.loading import load_model
from tests.rlvr_gym.vllm_engines import LAST_RESORT_SECONDS, PROMPTS

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(LAST_RESORT_SECONDS),
    pytest.mark.filterwarnings("ignore"),  # other people's deprecations
]


@pytest.fixture
def cluster(needs_vllm: None) -> Iterator[None]:
    import ray

    ray.init("local", num_cpus=1, include_dashboard=False, object_store_memory=100 * 2**20)
    yield
    ray.shutdown()


def test_vllm_on_a_node_honours_the_contract(cluster: None, vllm_llama: tuple[Path, PreTrainedModel]):
    from rlvr_gym.generation.ray.actor import VLLMOf
    from rlvr_gym.generation.ray.generator import RayGenerator

    folder, model = vllm_llama
    first, tokenizer = load_model(folder, "float32")
    generator = RayGenerator(first, tokenizer, make=VLLMOf(path=str(folder), dtype="float32"))
    check_trainable_generator(generator, model, PROMPTS, tolerance=1e-4)
    generator.close()
