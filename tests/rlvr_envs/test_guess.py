import itertools

import pytest

import rlvr_gym as rg

TASK = rg.Task(id="secret", prompt="guess", reference=42)


def start(**options):
    env = rg.make("guess", **options)
    env.reset(options={"task": TASK})
    return env


def guess(env, number):
    return env.step(f"\\boxed{{{number}}}")


def test_each_wrong_guess_is_answered_with_a_hint():
    env = start(max_turns=4)
    assert guess(env, 10)[:4] == ("The number is higher than 10. Guesses left: 3.", 0.0, False, False)
    assert guess(env, 90)[0] == "The number is lower than 90. Guesses left: 2."
    observation, reward, terminated, truncated, info = guess(env, 42)
    assert (observation, reward, terminated, truncated) == ("", 1.0, True, False)
    assert info["turn"] == 3


def test_the_last_guess_alone_decides():
    env = start(max_turns=2)
    guess(env, 41)
    _, reward, terminated, truncated, info = guess(env, 43)
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["verdict"].outcome is rg.Outcome.INCORRECT
    env.reset(options={"task": TASK})
    guess(env, 41)
    assert guess(env, 42)[1:4] == (1.0, True, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "\\boxed{}",
        "\\boxed{forty-two}",
        "\\boxed{42.0}",
        "\\boxed{41, 42}",
        "\\boxed{41} or \\boxed{42}",
        "\\boxed{41}. No, \\boxed{42}",
        "\\boxed{1} " * 41 + "\\boxed{42}",
        "<think>\\boxed{42}</think>",
        "\\boxed{4 2}",
    ],
)
def test_a_turn_without_exactly_one_guess_is_told_so_and_used_up(text):
    env = start(max_turns=3)
    observation, reward, terminated, truncated, _ = env.step(text)
    assert observation.startswith("I could not read one guess.")
    assert observation.endswith("Guesses left: 2.")
    assert (reward, terminated, truncated) == (0.0, False, False)


@pytest.mark.parametrize("text", ["\\boxed{42.0}", "\\boxed{042}", "\\boxed{+42}", "\\boxed{41, 42}", "42"])
def test_what_is_no_guess_is_no_guess_on_the_last_turn_either(text):
    env = start(max_turns=2)
    guess(env, 1)
    assert env.step(text)[1] == 0.0


def test_naming_every_number_on_the_last_turn_earns_nothing():
    env = start(max_turns=2)
    guess(env, 1)
    _, reward, _, truncated, info = env.step(" ".join(f"\\boxed{{{n}}}" for n in range(1, 101)))
    assert (reward, truncated) == (0.0, True)
    assert info["verdict"].outcome is rg.Outcome.MALFORMED


def test_halving_finds_every_number_in_seven_turns():
    env = rg.make("guess")
    for task in itertools.islice(env.tasks, 60):
        env.reset(options={"task": task})
        low, high, reward, done = 1, 100, 0.0, False
        while not done:
            middle = (low + high) // 2
            hint, reward, terminated, truncated, _ = guess(env, middle)
            low, high = (middle + 1, high) if "higher" in hint else (low, middle - 1)
            done = terminated or truncated
        assert reward == 1.0


def test_the_hint_depends_on_the_replies_only():
    env = start()
    replies = [rg.Completion(text="\\boxed{50}")]
    assert env.respond(TASK, replies) == env.clone().respond(TASK, replies)


def test_neither_prompt_nor_id_tells_the_number():
    env = rg.make("guess", high=1000)
    prompts = {task.text for task in itertools.islice(env.tasks, 50)}
    assert len(prompts) == 1
    assert all(str(task.reference) not in task.id.split("-") for task in itertools.islice(env.tasks, 50))


def test_tokens_of_the_hints_are_not_the_policys():
    class Halving:
        """Guesses by halving from the hints it has seen; ids are code points."""

        concurrency = 1

        def generate(self, prompts, n, sampling):
            for index, prompt in enumerate(prompts):
                low, high = 1, 100
                for turn in prompt.messages:
                    if turn.role == "user" and "than" in turn.content:
                        guessed = int(turn.content.split("than ")[1].split(".")[0])
                        low, high = (guessed + 1, high) if "higher" in turn.content else (low, guessed - 1)
                text = f"\\boxed{{{(low + high) // 2}}}"
                ids = tuple(map(ord, text))
                said = rg.Completion(
                    text=text,
                    token_ids=ids,
                    logprobs=(-1.0,) * len(ids),
                    prompt_token_ids=prompt.token_ids or (1,),
                )
                yield index, [said] * n

        def encode_reply(self, completion, messages):
            return tuple(map(ord, messages[0].content))

    ((rollout, _),) = rg.rollout(
        rg.make("guess"), Halving(), [TASK], rg.SamplingParams(), group_size=2, seed=0
    )
    assert rollout.verdict.correct
    said = "".join(chr(i) for i, own in zip(rollout.token_ids, rollout.action_mask, strict=True) if own)
    told = "".join(chr(i) for i, own in zip(rollout.token_ids, rollout.action_mask, strict=True) if not own)
    assert said == "\\boxed{50}\\boxed{25}\\boxed{37}\\boxed{43}\\boxed{40}\\boxed{41}\\boxed{42}"
    assert told.startswith("The number is lower than 50. Guesses left: 6.The number is higher than 25.")
    assert all(lp == 0.0 for lp, own in zip(rollout.logprobs, rollout.action_mask, strict=True) if not own)


def test_options_that_cannot_work_say_what_would():
    with pytest.raises(rg.ConfigError, match="max_turns must be from 2 to 100, not 1"):
        rg.make("guess", max_turns=1)
    with pytest.raises(rg.ConfigError, match="high must be from 10 to 1000000, not 2"):
        rg.make("guess", high=2)
