import pytest

import rlvr_gym as rg
from rlvr_gym.seeding import derive_seed


class Script:
    """A policy that says what it is told: completions by (task prompt, turn, sample); ids are code points."""

    concurrency = 1

    def __init__(self, lines, *, reverse_groups=False):
        self.lines = lines
        self.reverse_groups = reverse_groups
        self.seen = []

    def generate(self, prompts, n, sampling):
        order = reversed(range(len(prompts))) if self.reverse_groups else range(len(prompts))
        for index in order:
            prompt = prompts[index]
            self.seen.append(prompt)
            said = self.lines(prompt)
            yield index, [self._completion(prompt, said[sample % len(said)]) for sample in range(n)]

    def encode_reply(self, completion, messages):
        return tuple(ord(c) for c in f"<{messages[0].content}>")

    def _completion(self, prompt, text):
        ids = tuple(map(ord, text))
        before = prompt.token_ids or tuple(ord(c) for c in prompt.messages[0].content)
        return rg.Completion(
            text=text, token_ids=ids, logprobs=tuple(-0.5 for _ in ids), prompt_token_ids=before
        )


class Hint(rg.Environment):
    def respond(self, task, replies):
        return None if replies[-1].text == task.reference else "no"


EXACT = rg.FunctionVerifier(lambda task, completion: completion.text == task.reference)
TASKS = [rg.Task(id=f"t{i}", prompt=f"p{i}", reference=str(i)) for i in range(3)]
SAMPLING = rg.SamplingParams(max_tokens=8)


def play(generator, tasks, size, *, max_turns=1, verifier=EXACT, seed=0):
    env = Hint(rg.TaskSet.from_tasks(TASKS, name="n"), verifier, max_turns=max_turns)
    vector = rg.GroupVectorEnv(env, len(tasks), size)
    return rg.rollout(vector, generator, tasks, SAMPLING, seed=seed)


@pytest.mark.parametrize("reverse_groups", [False, True])
def test_groups_come_back_in_the_order_of_the_tasks_whatever_the_sampler_finishes_first(reverse_groups):
    generator = Script(lambda prompt: ["0", "1", "2"], reverse_groups=reverse_groups)
    groups = play(generator, TASKS, 3)
    assert [[r.task.id for r in group] for group in groups] == [["t0"] * 3, ["t1"] * 3, ["t2"] * 3]
    assert [[r.sample for r in group] for group in groups] == [[0, 1, 2]] * 3
    assert [[r.verdict.correct for r in group] for group in groups] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]


def test_a_single_turn_is_the_prompt_and_what_was_sampled():
    ((rollout,),) = play(Script(lambda prompt: ["17"]), TASKS[:1], 1)
    assert rollout.prompt_ids == (ord("p"), ord("0"))
    assert rollout.token_ids == (ord("1"), ord("7"))
    assert rollout.action_mask == (True, True)
    assert rollout.logprobs == (-0.5, -0.5)
    assert (rollout.text, rollout.length, rollout.truncated) == ("17", 2, False)
    assert rollout.messages == (rg.Message(role="assistant", content="17"),)


def test_tokens_of_the_environment_carry_no_logprob_and_are_not_actions():
    def lines(prompt):
        return ["9"] if len(prompt.messages) == 1 else ["0"]

    ((rollout,),) = play(Script(lines), TASKS[:1], 1, max_turns=3)
    assert rollout.token_ids == tuple(map(ord, "9<no>0"))
    assert rollout.action_mask == (True, False, False, False, False, True)
    assert rollout.logprobs == (-0.5, 0.0, 0.0, 0.0, 0.0, -0.5)
    assert [(m.role, m.content) for m in rollout.messages] == [
        ("assistant", "9"),
        ("user", "no"),
        ("assistant", "0"),
    ]
    assert (rollout.text, rollout.length, rollout.verdict.correct) == ("0", 2, True)


def test_a_later_turn_continues_the_exact_ids_of_the_earlier_ones():
    generator = Script(lambda prompt: ["9"] if len(prompt.messages) == 1 else ["0"])
    play(generator, TASKS[:1], 1, max_turns=3)
    first, second = generator.seen
    assert first.token_ids is None
    assert second.token_ids == tuple(map(ord, "p09<no>"))
    assert [m.content for m in second.messages] == ["p0", "9", "no"]


def test_lanes_of_a_group_may_end_after_different_numbers_of_turns():
    def lines(prompt):
        return ["0", "9"] if len(prompt.messages) == 1 else ["8"]

    ((first, second),) = play(Script(lines), TASKS[:1], 2, max_turns=3)
    assert first.text == "0"
    assert first.verdict.correct
    assert [m.content for m in second.messages] == ["9", "no", "8", "no", "8"]
    assert second.verdict.outcome is rg.Outcome.INCORRECT


def test_the_seed_of_a_prompt_depends_on_run_seed_and_task_only():
    alone, together = Script(lambda prompt: ["0"]), Script(lambda prompt: ["0"])
    play(alone, TASKS[1:2], 2, seed=5)
    play(together, TASKS, 2, seed=5)
    assert alone.seen[0].seed == together.seen[1].seed == derive_seed(5, "t1")
    assert len({prompt.seed for prompt in together.seen}) == 3


def test_later_turns_of_one_group_sample_from_streams_of_their_own():
    generator = Script(lambda prompt: ["9"])
    play(generator, TASKS[:2], 2, max_turns=2)
    assert len({prompt.seed for prompt in generator.seen}) == 2 + 4


def test_what_cannot_be_judged_comes_back_unscored():
    def broken(task, completion):
        raise ConnectionError("no sandbox")

    ((rollout,),) = play(Script(lambda prompt: ["0"]), TASKS[:1], 1, verifier=rg.FunctionVerifier(broken))
    assert rollout.verdict.outcome is rg.Outcome.UNSCORED


def test_a_truncated_last_turn_is_the_samplers_word():
    class Cut(Script):
        def _completion(self, prompt, text):
            return rg.Completion(
                text=text, token_ids=(1,), logprobs=(-1.0,), finish_reason=rg.FinishReason.LENGTH
            )

    ((rollout,),) = play(Cut(lambda prompt: ["0"]), TASKS[:1], 1)
    assert rollout.truncated
    assert rollout.verdict.correct
