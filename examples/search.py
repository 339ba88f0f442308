"""Search a little corpus: one episode stepped by hand, one played by a policy, whose documents are masked.

    python examples/search.py

The policy is a script, so that nothing is downloaded; `rg.TransformersGenerator(*rg.load_model(NAME))` takes its place.
"""

import json
import tempfile
from pathlib import Path

import rlvr_gym as rg

DOCUMENTS = [
    {"id": "paris", "contents": '"Paris"\nParis is the capital of France. The Seine flows through it.'},
    {"id": "rome", "contents": '"Rome"\nRome is the capital of Italy. The Tiber flows through it.'},
]
QUESTION = {
    "question": "Which river flows through the capital of France?",
    "golden_answers": ["Seine", "the Seine"],
}
TURNS = ("<search>capital of France</search>", "<answer>the Seine</answer>")


class Script:
    """A policy that says its turns one after the other; its tokens are characters."""

    concurrency = 1

    def generate(self, prompts, n, sampling):
        """Say the turn that follows those said before."""
        for index, prompt in enumerate(prompts):
            text = TURNS[sum(message.role == "assistant" for message in prompt.messages)]
            ids = tuple(map(ord, text))
            first = prompt.token_ids or tuple(map(ord, prompt.messages[0].content))
            said = rg.Completion(text=text, token_ids=ids, logprobs=(0.0,) * len(ids), prompt_token_ids=first)
            yield index, [said] * n

    def encode_reply(self, completion, messages):
        """The characters of the environment's answer."""
        return tuple(map(ord, "".join(message.content for message in messages)))


def write(path, rows):
    """A file of rows."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


with tempfile.TemporaryDirectory() as folder:
    questions = write(Path(folder, "questions.jsonl"), [QUESTION])
    corpus = write(Path(folder, "corpus.jsonl"), DOCUMENTS)
    env = rg.make("search", data=questions, corpus=corpus)

    prompt, _ = env.reset(options={"task": 0})
    print(prompt)
    print(env.step("<search>river in Rome</search>")[0])
    _, reward, _, _, info = env.step("<answer>the Tiber</answer>")
    print(reward, info["verdict"].detail)  # 0.0 expected 'Seine', 'the Seine'

    ((rollout,),) = rg.rollout(env, Script(), env.tasks.take(1), rg.SamplingParams(), group_size=1, seed=0)
    masked = [chr(id) for id, own in zip(rollout.token_ids, rollout.action_mask, strict=True) if not own]
    print(
        f"{rollout.verdict.score}; {len(masked)} of {len(rollout.token_ids)} tokens are documents and masked:"
    )
    print("".join(masked))
