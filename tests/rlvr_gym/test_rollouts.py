import threading
import time

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
        return tuple(ord(c) for c in "".join(f"<{message.content}>" for message in messages))

    def _completion(self, prompt, text):
        ids = tuple(map(ord, text))
        before = prompt.token_ids or tuple(ord(c) for c in prompt.messages[0].content)
        return rg.Completion(
            text=text, token_ids=ids, logprobs=tuple(-0.5 for _ in ids), prompt_token_ids=before
        )


class Hint(rg.Environment):
    def respond(self, task, replies) -> str | rg.Message | rg.Response | None:
        return None if replies[-1].text == task.reference else "no"


EXACT = rg.FunctionVerifier(lambda task, completion: completion.text == task.reference)
TASKS = [rg.Task(id=f"t{i}", prompt=f"p{i}", reference=str(i)) for i in range(3)]
SAMPLING = rg.SamplingParams(max_tokens=8)


def play(generator, tasks, size, *, env=Hint, max_turns=1, verifier=EXACT, seed=0, fixed_order=None):
    env = env(rg.TaskSet.from_tasks(TASKS, name="n"), verifier, max_turns=max_turns)
    return rg.rollout(env, generator, tasks, SAMPLING, group_size=size, seed=seed, fixed_order=fixed_order)


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


# What an environment says, and what it pays for single turns


class Tool(Hint):
    """Answers as a tool does, and pays for asking it."""

    def respond(self, task, replies):
        if replies[-1].text == task.reference:
            return None
        said = (rg.Message(role="tool", content="a"), rg.Message(role="user", content="b"))
        return rg.Response(messages=said, reward=0.25)


def test_an_environment_answers_in_any_role_and_with_several_messages():
    ((rollout,),) = play(
        Script(lambda prompt: ["0" if prompt.token_ids else "9"]), TASKS[:1], 1, env=Tool, max_turns=3
    )
    assert [(m.role, m.content) for m in rollout.messages] == [
        ("assistant", "9"),
        ("tool", "a"),
        ("user", "b"),
        ("assistant", "0"),
    ]
    assert rollout.token_ids == tuple(map(ord, "9<a><b>0"))


def test_the_rewards_of_turns_are_kept_where_the_turns_end():
    def lines(prompt):
        return ["0" if len(prompt.messages) > 4 else "99"]

    ((rollout,),) = play(Script(lines), TASKS[:1], 1, env=Tool, max_turns=3)
    assert rollout.token_ids == tuple(map(ord, "99<a><b>99<a><b>0"))
    assert rollout.turn_rewards == (rg.TurnReward(end=1, reward=0.25), rg.TurnReward(end=9, reward=0.25))
    assert (rollout.verdict.score, rollout.reward) == (1.0, 1.5)


def test_the_reward_of_a_last_turn_that_wanted_to_go_on_is_not_lost():
    ((rollout,),) = play(Script(lambda prompt: ["99"]), TASKS[:1], 1, env=Tool, max_turns=1)
    assert rollout.turn_rewards == (rg.TurnReward(end=1, reward=0.25),)
    assert (rollout.verdict.score, rollout.reward) == (0.0, 0.25)


@pytest.mark.parametrize("reward", [float("nan"), float("inf")])
def test_a_turns_reward_that_is_no_number_leaves_the_episode_unscored(reward):
    class Odd(Hint):
        def respond(self, task, replies):
            return rg.Response(messages=(rg.Message(role="user", content="no"),), reward=reward)

    ((rollout,),) = play(Script(lambda prompt: ["9"]), TASKS[:1], 1, env=Odd, max_turns=3)
    assert rollout.verdict.outcome is rg.Outcome.UNSCORED
    assert "no finite number" in rollout.verdict.detail
    assert rollout.reward is None


def test_gymnasium_sees_the_reward_of_each_turn():
    env = Tool(rg.TaskSet.from_tasks(TASKS, name="n"), EXACT, max_turns=2)
    env.reset(options={"task": "t0"})
    observation, reward, terminated, truncated, info = env.step("9")
    assert (observation, reward, terminated, truncated) == ("a\nb", 0.25, False, False)
    assert [message.role for message in info["messages"]] == ["tool", "user"]
    assert env.step("0")[1] == 1.0


# The two orders


class Requests(Script):
    """A sampler to which every sample is a request of its own."""

    concurrency = 4


def by_turn(prompt):
    return ["9", "8", "0"] if prompt.token_ids is None else ["7" if prompt.seed % 2 else "0"]


@pytest.mark.parametrize("generator", [Script, Requests])
def test_both_orders_play_the_same_episodes(generator):
    class Sample(generator):
        """Says what the first sample's index says, so that a group drawn apart is the group drawn together."""

        def generate(self, prompts, n, sampling):
            for index, prompt in enumerate(prompts):
                said = by_turn(prompt)
                texts = [said[(prompt.first_sample + sample) % len(said)] for sample in range(n)]
                yield index, [self._completion(prompt, text) for text in texts]

    fixed, free = (
        play(Sample(by_turn), TASKS, 6, max_turns=4, seed=3, fixed_order=order) for order in (True, False)
    )
    assert fixed == free
    assert len({rollout.text for group in fixed for rollout in group}) > 1
    assert len({len(rollout.messages) for group in fixed for rollout in group}) > 1


def test_no_turn_waits_for_another_episodes_answer_in_the_free_order():
    second_turns = threading.Event()

    class Slow(Hint):
        """Answers the first sample that comes only after another has had its second turn."""

        first = threading.Lock()

        def respond(self, task, replies):
            if len(replies) == 1 and self.first.acquire(blocking=False):
                assert second_turns.wait(30), "nobody else went on"
            elif len(replies) == 2:
                second_turns.set()
            return None if len(replies) == 2 else "go on"

    for generator in (Script(lambda prompt: ["9"]), Requests(lambda prompt: ["9"])):
        second_turns.clear()
        Slow.first = threading.Lock()
        ((*group,),) = play(generator, TASKS[:1], 4, env=Slow, max_turns=3, fixed_order=False)
        assert [rollout.verdict.outcome for rollout in group] == [rg.Outcome.INCORRECT] * 4


def test_an_answer_that_does_not_come_leaves_its_episode_unscored_and_the_others_going():
    class Stuck(Hint):
        @property
        def timeout_seconds(self):
            return 0.2

        def respond(self, task, replies):
            if task.id == "t1" and len(replies) == 2:
                time.sleep(20)
            return super().respond(task, replies)

    began = time.monotonic()
    groups = play(Requests(lambda prompt: ["9"]), TASKS, 2, env=Stuck, max_turns=3)
    assert time.monotonic() - began < 15
    outcomes = [{rollout.verdict.outcome for rollout in group} for group in groups]
    assert outcomes == [{rg.Outcome.INCORRECT}, {rg.Outcome.UNSCORED}, {rg.Outcome.INCORRECT}]


def test_a_sampler_that_breaks_down_in_a_thread_is_an_error_here():
    class Broken(Requests):
        def generate(self, prompts, n, sampling):
            raise rg.TrainingError("the weights are NaN")

    with pytest.raises(rg.TrainingError, match="the weights are NaN"):
        play(Broken(lambda prompt: ["9"]), TASKS, 2)


def test_requests_under_way_are_no_more_than_a_generator_takes():
    class Counting(Requests):
        now = most = 0
        lock = threading.Lock()

        def generate(self, prompts, n, sampling):
            with self.lock:
                Counting.now += 1
                Counting.most = max(Counting.most, Counting.now)
            time.sleep(0.01)
            with self.lock:
                Counting.now -= 1
            yield from super().generate(prompts, n, sampling)

    play(Counting(lambda prompt: ["9"]), TASKS, 8, max_turns=2)
    assert Counting.most == 4
