"""Sampling and judging on a Ray cluster: two real nodes on this machine, of which one is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import torch
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner_settings import LoraConfig, ModelConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym import (
    Completion,
    ConfigError,
    FunctionVerifier,
    GenerationRequest,
    Message,
    SamplingParams,
    Task,
    TrainingError,
    Verdict,
    Verifier,
    rollout,
)
from rlvr_gym.config import parse_overrides
from rlvr_gym.generation.base import TakesTools, TokenSequence
from rlvr_gym.generation.conformance import check_trainable_generator
from rlvr_gym.generation.tiny import tiny_model
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.verifiers.base import judge

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlvr-gym[ray]'")

import ray
from ray.cluster_utils import Cluster

from rlvr_gym.environments.ray import RayJudges
from rlvr_gym.generation.ray.actor import TransformersOf
from rlvr_gym.generation.ray.generator import RayGenerator
from rlvr_gym.generation.ray.stored import StoredWeights, tensors_of, with_parameters, without_values

# Ray's own warnings about its defaults, and sockets and files that it leaves to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(300), pytest.mark.long]

DIGITS = "0123456789"
NODE: dict[str, Any] = {"num_cpus": 4, "object_store_memory": 100 * 2**20}
SAMPLING = SamplingParams(max_tokens=8)
SETTINGS = [
    *["batch.prompts=32", "batch.group_size=4", "batch.minibatches=2", "dynamic_sampling=null"],
    *["warmup.steps=20", "eval.every=1", "eval.tasks=32", "run.steps=2", "run.samples_per_step=64"],
]
Then = Callable[[set[str]], object]
TIMES = ("seconds/", "tokens_per_second/", "memory/")
"""Metrics that differ between equal runs."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    cluster.add_node(**NODE)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def request(text: str, seed: int = 0) -> GenerationRequest:
    return GenerationRequest(messages=(Message(role="user", content=text),), seed=seed)


MANY = [request(str(number * 7), seed=number) for number in range(32)]


def a_model(seed: int = 3) -> tuple[Any, Any]:
    return tiny_model(seed=seed, alphabet=DIGITS, hidden=32, context=64)


def nodes_of(generator: RayGenerator) -> set[str]:
    return {member.place[0] for member in generator._samplers._nodes.ready}


def wait_until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def wait_for_samplers(generator: RayGenerator, count: int) -> None:
    def reached() -> bool:
        generator._samplers._nodes.look()
        return len(nodes_of(generator)) >= count

    wait_until(reached, f"no {count} nodes have a sampler")


@pytest.fixture(scope="module")
def shared(cluster: Any) -> Iterator[RayGenerator]:
    made = RayGenerator(*a_model())
    yield made
    made.close()


@pytest.fixture
def generator(shared: RayGenerator) -> RayGenerator:
    """Samplers on both nodes, which have the first weights."""
    shared.update_weights(list(a_model()[0].named_parameters()), 0)
    wait_for_samplers(shared, 2)
    return shared


@pytest.fixture(scope="module")
def judges(cluster: Any) -> Iterator[RayJudges]:
    made = RayJudges()
    yield made
    made.close()


def sampled(generator: Any, requests: Sequence[GenerationRequest], n: int = 4) -> list[list[Completion]]:
    return [group for _, group in sorted(generator.generate(requests, n, SAMPLING), key=lambda one: one[0])]


def trained(
    folder: Path, *settings: str, prepare: Callable[[Trainer], None] = lambda _: None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Trainer]:
    """Train; returns the rows of metrics without times, the samples, and the trainer."""
    config = load_recipe("quickstart", parse_overrides([*SETTINGS, f"run.dir={folder}", *settings]))
    trainer = Trainer(config)
    prepare(trainer)
    trainer.run()
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    samples = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    timeless = [{k: v for k, v in row.items() if not k.startswith(TIMES)} for row in rows]
    return timeless, samples, trainer


def close(trainer: Trainer) -> None:
    """Give the nodes' CPUs back to the next test."""
    for held in (trainer.generator, trainer.env.judging):
        held.close()  # pyright: ignore[reportAttributeAccessIssue]


def test_samplers_on_the_nodes_keep_the_contract_of_a_trainable_generator(generator: RayGenerator):
    model, _ = a_model()
    prompts = [request("12345678901234567890", 1), request("42", 2), request("777", 3)]
    check_trainable_generator(generator, model, prompts, tolerance=1e-4)
    assert len(nodes_of(generator)) == 2


def asked_now(generator: RayGenerator, monkeypatch: pytest.MonkeyPatch, then: Then | None = None) -> set[str]:
    """The nodes that are asked from now on; `then` is called after each request that is sent."""
    asked: set[str] = set()
    send = generator._samplers.send

    def watched(*arguments: Any) -> Any:
        sent = send(*arguments)
        if sent is not None:
            asked.add(sent[1].place[0])
            if then is not None:
                then(asked)
        return sent

    monkeypatch.setattr(generator._samplers, "send", watched)
    return asked


def drawn(groups: Sequence[Sequence[Completion]]) -> list[list[tuple[Any, ...]]]:
    return [[(c.token_ids, c.logprobs) for c in group] for group in groups]


def test_every_request_is_sampled_bit_for_bit_as_in_this_process_and_both_nodes_are_asked(
    generator: RayGenerator, monkeypatch: pytest.MonkeyPatch
):
    here, asked = TransformersGenerator(*a_model()), asked_now(generator, monkeypatch)
    there = sampled(generator, MANY)
    assert there == sampled(here, MANY[:16]) + sampled(here, MANY[16:])
    assert [[c.token_ids for c in group] for group in there] == [
        [c.token_ids for c in group] for group in sampled(here, MANY)
    ]
    assert len(asked) == 2


def test_the_template_of_a_model_on_nodes_tells_of_tools_as_here(generator: RayGenerator):
    assert isinstance(generator, TakesTools)
    assert generator.takes_tools() == TransformersGenerator(*a_model()).takes_tools()


def test_a_call_of_few_prompts_is_one_request(generator: RayGenerator, monkeypatch: pytest.MonkeyPatch):
    asked = asked_now(generator, monkeypatch)
    assert sampled(generator, MANY[:31]) == sampled(TransformersGenerator(*a_model()), MANY[:31])
    assert len(asked) == 1


def test_no_sampler_is_sent_more_than_it_works_on_and_one_request_besides(
    generator: RayGenerator, monkeypatch: pytest.MonkeyPatch
):
    most: list[int] = []
    asked_now(
        generator,
        monkeypatch,
        lambda _: most.append(max(member.under_way for member in generator._samplers._nodes.ready)),
    )
    sampled(generator, MANY * 6)
    assert len(most) == 12
    assert max(most) == 2
    assert [member.under_way for member in generator._samplers._nodes.ready] == [0, 0]


def test_a_call_that_is_called_off_ends_and_leaves_the_samplers_to_the_next(generator: RayGenerator):
    under_way = generator.generate(MANY * 4, 4, SAMPLING)
    next(under_way)
    generator.stop()
    with pytest.raises(TrainingError, match="called off"):
        list(under_way)
    assert len(sampled(generator, MANY)) == 32


def test_weights_lie_in_the_store_bit_for_bit_whatever_their_format(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("rlvr_gym.generation.ray.stored.CHUNK_BYTES", 64)
    stream = torch.Generator().manual_seed(0)
    weights = {
        "half": torch.randn(3, 5, generator=stream).bfloat16(),
        "turned": torch.randn(4, 6, generator=stream).T,
        "one": torch.tensor(0.1, dtype=torch.float64),
        "none": torch.empty(0, 4),
    }
    stored = StoredWeights.put(weights.items(), number=1, version=1)
    assert len(stored.chunks) == 2
    taken = tensors_of(ray.get(list(stored.chunks)))
    assert list(taken) == list(weights)
    for name, weight in weights.items():
        assert taken[name].dtype == weight.dtype
        assert torch.equal(taken[name], weight)


def processes_of(generator: RayGenerator) -> dict[str, int]:
    """The samplers' processes, by node."""
    ready = generator._samplers._nodes.ready
    return {m.place[0]: ray.get(m.actor.__ray_call__.remote(lambda _: os.getpid())) for m in ready}


def test_the_store_has_forgotten_the_old_weights_when_it_takes_new_ones(
    generator: RayGenerator, monkeypatch: pytest.MonkeyPatch
):
    held: list[object] = []
    put = StoredWeights.put

    def watched(*arguments: Any, **options: Any) -> StoredWeights:
        held.append(generator._samplers._weights)
        return put(*arguments, **options)

    monkeypatch.setattr(StoredWeights, "put", watched)
    generator.update_weights(list(a_model()[0].named_parameters()), 1)
    assert held == [None]
    assert generator.weights_version == 1


def kill_a_node(cluster: Any, processes: dict[str, int]) -> str:
    """End one of these nodes at once and for good, as a loss of power would, its raylet too; returns its id."""
    node = next(node for node in cluster.list_all_nodes() if not node.head and node.node_id in processes)
    os.kill(processes[node.node_id], signal.SIGSTOP)
    cluster.remove_node(node, allow_graceful=False)
    os.kill(processes[node.node_id], signal.SIGKILL)
    return node.node_id


def test_what_a_killed_node_had_is_sampled_elsewhere_bit_for_bit_and_a_node_that_joins_is_used(
    cluster: Any, generator: RayGenerator, monkeypatch: pytest.MonkeyPatch
):
    undisturbed = sampled(generator, MANY * 4)
    processes, dead = processes_of(generator), list[str]()

    def kill(asked: set[str]) -> None:
        if len(asked) == 2 and not dead:
            dead.append(kill_a_node(cluster, processes))

    asked = asked_now(generator, monkeypatch, kill)
    found = list(generator.generate(MANY * 4, 4, SAMPLING))
    assert [group for _, group in sorted(found, key=lambda one: one[0])] == undisturbed
    assert dead[0] not in nodes_of(generator)

    generator.update_weights(list(a_model(seed=4)[0].named_parameters()), 1)
    cluster.add_node(**NODE)
    wait_for_samplers(generator, 2)
    asked.clear()
    changed = sampled(generator, MANY)
    assert {span.version for group in changed for c in group for span in c.sampled_under} == {1}
    assert drawn(changed[:16]) == drawn(sampled(TransformersGenerator(*a_model(seed=4)), MANY[:16]))
    assert len(asked) == 2


def test_a_sampler_that_computes_something_else_than_the_others_is_not_asked(generator: RayGenerator):
    nodes = generator._samplers._nodes
    _, second = nodes.ready
    other = StoredWeights.put(a_model(seed=9)[0].named_parameters(), number=generator._updates, version=0)
    loading = second.actor.load.remote(other.number, 0, *other.chunks)
    ray.get(loading)
    with pytest.raises(TrainingError, match="should have the same weights"):
        generator.score([TokenSequence(prompt_token_ids=(4, 5), token_ids=(6, 7))])
    second.opening = loading
    nodes.look()
    assert second not in nodes.ready
    assert "off those of the others" in nodes.trouble


def test_a_sampler_that_fails_by_itself_is_left_out_and_its_requests_are_drawn_elsewhere(
    generator: RayGenerator,
):
    def break_down(actor: Any) -> None:
        def generate(*arguments: Any) -> None:
            raise RuntimeError("the device is gone")

        actor._generator.generate = generate

    undisturbed, nodes = sampled(generator, MANY), generator._samplers._nodes
    broken = nodes.ready[0]
    ray.get(broken.actor.__ray_call__.remote(break_down))
    assert sampled(generator, MANY) == undisturbed
    assert broken not in nodes.ready
    assert "RuntimeError: the device is gone" in nodes.trouble


def test_weights_that_cannot_be_sampled_from_are_not_held_against_the_samplers(shared: RayGenerator):
    weights = [(name, weight.detach().clone()) for name, weight in a_model()[0].named_parameters()]
    for _, weight in weights:
        weight[...] = float("nan")
    shared.update_weights(weights, 1)
    with pytest.raises(TrainingError, match="not finite"):
        sampled(shared, MANY)


def test_sampling_ends_where_no_node_has_had_a_sampler_for_too_long(shared: RayGenerator):
    nodes = shared._samplers._nodes
    nodes._patience_seconds = 0.5
    for member in nodes.ready:
        ray.kill(member.actor)
    with pytest.raises(
        TrainingError, match=r"no node of the Ray cluster has had a sampler for 0\.5 s: Ray node"
    ):
        sampled(shared, MANY)
    shared.close()


def refused(*settings: str, recipe: str = "quickstart") -> str:
    with pytest.raises(ConfigError) as error:
        Trainer(load_recipe(recipe, parse_overrides(["rollouts.ray=auto", *settings])))
    return str(error.value)


def test_settings_that_a_cluster_does_not_fit_are_refused_before_any_work(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
):
    assert "mesh.shard=2 splits them" in refused("mesh.shard=2")
    assert "has servers of its own" in refused(
        "generator.engine=vllm_servers", "generator.urls=[http://localhost:8000]"
    )
    assert "nothing is sampled by algorithm.kind=sft" in refused(
        "env.id=reverse", "model.path=tiny", "eval=null", recipe="sft"
    )
    assert "in no folder that vLLM could read" in refused("generator.engine=vllm")
    assert "give auto, or HOST:PORT" in refused("rollouts.ray=ray://localhost:10001")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "these are 2 (WORLD_SIZE)" in refused()


def test_an_address_where_no_cluster_is_and_a_missing_ray_are_refused_with_what_to_do():
    program = """
import sys
from rlvr_gym.cli.main import main
if sys.argv[1] == "hidden":
    sys.argv.pop(1)
    sys.modules["ray"] = None
main()
"""
    for hidden, address, said in (
        ("hidden", "auto", "rollouts.ray=auto needs Ray: pip install"),
        ("", "127.0.0.1:1", "no Ray cluster answers there"),
    ):
        command = [sys.executable, "-c", program, *([hidden] if hidden else [])]
        settings = ["train", "quickstart", *SETTINGS, f"rollouts.ray={address}"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        done = subprocess.run(
            [*command, *settings], capture_output=True, text=True, env=environment, check=False, timeout=60
        )
        assert done.returncode == 2
        assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    "settings",
    [
        ModelConfig(path="tiny:0123456789", lora=LoraConfig(rank=4)),
        ModelConfig(path="tiny:0123456789", dtype="bfloat16"),
        ModelConfig(path="tiny:0123456789", dtype="bfloat16", weights_dtype="bfloat16"),
        ModelConfig(path="tiny:0123456789", gradient_checkpointing=True),
    ],
    ids=["lora", "autocast", "weights in 16 bits", "checkpointed"],
)
def test_the_model_that_travels_to_a_node_samples_as_the_one_that_is_trained(
    cluster: Any, settings: ModelConfig
):
    policy = Policy(settings, seed=1)
    merged, dtype = policy.merged(), getattr(torch, settings.dtype)
    blank = with_parameters(merged, without_values)
    assert all(weight.is_meta for weight in blank.parameters())
    sent = cloudpickle.dumps(TransformersOf(model=blank, tokenizer=policy.tokenizer, dtype=dtype))
    stored = StoredWeights.put(policy.merged_parameters(), number=0, version=0)
    make: TransformersOf = cloudpickle.loads(sent)
    there = make(tensors_of(ray.get(list(stored.chunks))))
    assert sampled(there, MANY) == sampled(policy.generator_apart(), MANY)


def wait_for_judges(judges: RayJudges) -> None:
    """Wait until both nodes have one."""
    slots = 2 * NODE["num_cpus"]
    wait_until(lambda: judges._nodes.look() or judges.slots == slots, "a node has no judge")


TASK = Task(prompt="What is 1 + 1?", reference="2")


def test_verdicts_of_the_nodes_are_those_of_this_process(judges: RayJudges):
    here = rg.make("arithmetic")
    there = here.clone()
    there.judging = judges
    generator = TransformersGenerator(*a_model())
    tasks = here.tasks.take(4)
    right = [Completion(text=here.solution(task) or "") for task in tasks]
    assert [judges(here.verifier, *pair).correct for pair in zip(tasks, right, strict=True)] == [True] * 4
    played = [
        rollout(env, generator, tasks, SamplingParams(max_tokens=4), group_size=4, seed=0)
        for env in (here, there)
    ]
    verdicts = [[one.verdict for group in groups for one in group] for groups in played]
    assert verdicts[0] == verdicts[1]


def test_verdicts_come_from_both_nodes_and_no_judge_has_more_than_it_can_begin(
    judges: RayJudges, tmp_path: Path
):
    folder, node = str(tmp_path), NODE["num_cpus"]

    def counted(task: Task, completion: Completion) -> Verdict:
        import os
        import time

        mine = f"{folder}/{os.getpid()}-{completion.text}"
        open(mine, "w").close()
        time.sleep(0.2)
        most = len([name for name in os.listdir(folder) if name.startswith(f"{os.getpid()}-")])
        os.remove(mine)
        return Verdict.right(f"{os.getpid()} {most}")

    verifier = FunctionVerifier(counted)
    wait_for_judges(judges)
    with ThreadPoolExecutor(32) as threads:
        verdicts = list(threads.map(lambda n: judges(verifier, TASK, Completion(text=str(n))), range(32)))
    processes, most = zip(*(verdict.detail.split() for verdict in verdicts), strict=True)
    assert len(set(processes)) == 2
    assert str(os.getpid()) not in processes
    assert max(map(int, most)) == node


def test_a_verdict_whose_judge_is_lost_is_computed_again_by_another(judges: RayJudges, tmp_path: Path):
    lost_once = str(tmp_path / "lost")

    def kills_once(task: Task, completion: Completion) -> bool:
        import os
        import signal

        if not os.path.exists(lost_once):
            open(lost_once, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return completion.text == task.reference

    verifier = FunctionVerifier(kills_once)
    assert judges(verifier, TASK, Completion(text="2")) == Verdict.right()
    assert Path(lost_once).exists()
    assert judges(verifier, TASK, Completion(text="3")) == Verdict.wrong()


def test_a_completion_under_which_every_judge_is_lost_is_unscored_and_the_next_one_is_judged(
    judges: RayJudges,
):
    def kills(task: Task, completion: Completion) -> bool:
        import os
        import signal

        if completion.text == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    verifier = FunctionVerifier(kills)
    verdict = judges(verifier, TASK, Completion(text="deadly"))
    assert not verdict.scored
    assert "its judge was lost 3 times: Ray node" in verdict.detail
    assert judges(verifier, TASK, Completion(text="2")).correct


def test_a_verifier_that_does_not_end_leaves_its_sample_unscored_and_its_judge_is_replaced(
    judges: RayJudges,
):
    class Endless(Verifier):
        patience = 0.5

        @property
        def timeout_seconds(self) -> float:
            return self.patience

        def verify(self, task: Task, completion: Completion) -> Verdict:
            import time

            if completion.text == "endless":
                time.sleep(1000)
            return Verdict.right()

    verifier = Endless()
    count = 2 * NODE["num_cpus"]
    before = {member.actor for member in judges._nodes.ready}
    with ThreadPoolExecutor(count) as threads:
        verdicts = list(
            threads.map(lambda _: judges(verifier, TASK, Completion(text="endless")), range(count))
        )
    assert not any(verdict.scored for verdict in verdicts)
    assert "the verifier gave no answer within 0.5 s on Ray node" in verdicts[0].detail
    verifier.patience = 60.0
    assert judges(verifier, TASK, Completion(text="2")).correct
    assert before.isdisjoint(member.actor for member in judges._nodes.ready)


def test_a_sample_is_unscored_where_no_node_has_had_a_judge_for_too_long(judges: RayJudges):
    wait_for_judges(judges)
    nodes = judges._nodes
    patience, nodes._patience_seconds = nodes._patience_seconds, 0.5
    verifier = FunctionVerifier(lambda task, completion: True)
    for member in nodes.ready:
        ray.kill(member.actor)
    verdict = judges(verifier, TASK, Completion(text="2"))
    nodes._patience_seconds = patience
    assert not verdict.scored
    assert "no node of the Ray cluster has had a judge for 0.5 s" in verdict.detail


def test_a_verifier_that_cannot_travel_is_refused_before_it_judges(judges: RayJudges):
    lock = threading.Lock()
    with pytest.raises(ConfigError, match="a FunctionVerifier cannot be sent to the nodes of a cluster"):
        judges.send(FunctionVerifier(lambda task, completion: lock.locked()))


def test_a_fault_of_a_verifier_is_unscored_with_its_cause_as_in_this_process(judges: RayJudges):
    def broken(task: Task, completion: Completion) -> bool:
        raise ValueError("no such column")

    verifier = FunctionVerifier(broken)
    assert judges(verifier, TASK, Completion(text="2")) == judge(verifier, TASK, Completion(text="2"))


def test_a_run_on_a_cluster_is_the_same_bit_for_bit_though_a_node_is_killed_in_the_middle_of_a_step(
    cluster: Any, shared: RayGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shared.close()
    rows, samples, _ = trained(tmp_path / "here")
    processes, dead = dict[str, int](), list[str]()

    def kill(asked: set[str]) -> None:
        if len(asked) == 2 and trainer.step == 1 and not dead:
            dead.append(kill_a_node(cluster, processes))

    def prepare(made: Trainer) -> None:
        nonlocal trainer
        trainer = made
        samplers: Any = made.generator
        wait_for_samplers(samplers, 2)
        processes.update(processes_of(samplers))
        asked_now(samplers, monkeypatch, kill)

    trainer: Any = None
    rows_there, samples_there, _ = trained(tmp_path / "there", "rollouts.ray=auto", prepare=prepare)
    cluster.add_node(**NODE)
    assert dead[0] not in nodes_of(trainer.generator)
    close(trainer)
    assert len(rows) == 3
    assert rows_there == rows
    assert samples_there == samples


def test_samples_that_are_drawn_ahead_name_the_weights_that_they_are_of(cluster: Any, tmp_path: Path):
    rows, _, trainer = trained(tmp_path, "rollouts.ray=auto", "buffer.max_staleness=1", "run.steps=3")
    close(trainer)
    assert [row.get("staleness/max") for row in rows] == [None, 0.0, 1.0, 1.0]
