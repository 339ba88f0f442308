"""A policy that follows a script, and small environments to play it on."""

from collections.abc import Callable, Iterator, Sequence

import rlvr_gym as rg
from rlvr_gym.seeding import derive_rng

Script = Callable[[rg.GenerationRequest, int], rg.Completion | str]
"""Returns the policy's answer to a prompt, given the index of the sample."""


class ScriptedGenerator:
    """Says what its script says; counts how many completions it was asked for."""

    def __init__(self, script: Script, concurrency: int = 1) -> None:
        self.script = script
        self.concurrency = concurrency
        self.sampled = 0

    def generate(
        self, prompts: Sequence[rg.GenerationRequest], n: int, sampling: rg.SamplingParams
    ) -> Iterator[tuple[int, list[rg.Completion]]]:
        for index, prompt in enumerate(prompts):
            self.sampled += n
            first = prompt.first_sample
            yield index, [self._complete(prompt, sample) for sample in range(first, first + n)]

    def encode_reply(self, completion: rg.Completion, messages: Sequence[rg.Message]) -> tuple[int, ...]:
        return (0,)

    def _complete(self, prompt: rg.GenerationRequest, sample: int) -> rg.Completion:
        said = self.script(prompt, sample)
        if isinstance(said, rg.Completion):
            return said
        ids = tuple(said.encode())
        return rg.Completion(text=said, token_ids=ids, logprobs=(0.0,) * len(ids), prompt_token_ids=(1, 2, 3))


def coin(share: float) -> Script:
    """Right in about `share` of the samples, decided by the prompt's seed and the sample's index alone."""

    def say(prompt: rg.GenerationRequest, sample: int) -> str:
        right = derive_rng(prompt.seed, sample).random() < share
        return prompt.messages[0].content if right else "no"

    return say


def echo_tasks(count: int, **metadata: list[str]) -> rg.TaskSet:
    """Tasks whose right answer is the prompt itself."""
    return rg.TaskSet.from_tasks(
        [
            rg.Task(
                id=f"t{i}",
                prompt=f"say {i}",
                reference=f"say {i}",
                metadata={key: values[i] for key, values in metadata.items()},
            )
            for i in range(count)
        ],
        name="echo",
    )


def same_text(task: rg.Task, completion: rg.Completion) -> rg.Verdict:
    """Right for the reference, unscored for `crash`, malformed for nothing."""
    if completion.text == "crash":
        raise rg.VerifierFault("the sandbox is down")
    if not completion.text:
        return rg.Verdict.malformed("nothing was said")
    if completion.text == task.reference:
        return rg.Verdict.right(answer=completion.text)
    return rg.Verdict.wrong(f"not {task.reference}", answer=completion.text)


def echo_env(count: int = 6, **metadata: list[str]) -> rg.Environment:
    """An environment of `echo_tasks`."""
    return rg.Environment(echo_tasks(count, **metadata), rg.FunctionVerifier(same_text))
