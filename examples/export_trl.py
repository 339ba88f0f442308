"""An environment in TRL's form: its dataset, and its reward function called as TRL's trainer calls it.

    python examples/export_trl.py

TRL is not needed for this. `GRPOTrainer(reward_funcs=exported.reward, train_dataset=exported.dataset, ...)` trains on
it, as does the train.py that is written.
"""

import tempfile
from pathlib import Path

import rlvr_gym as rg

exported = rg.export.trl(rg.make("arithmetic"), rows=3)
for row in exported.rows:
    print(row["index"], row["task"], row["prompt"][-1]["content"].splitlines()[0])

right = [exported.env.solution(one.task) for one in exported.tasks]
said = [right[0], "It is \\boxed{0}.", "I do not know."]
completions = [[{"role": "assistant", "content": text}] for text in said]
ids, places = [one.task.id for one in exported.tasks], [one.index for one in exported.tasks]
rewards = exported.reward(completions, task=ids, index=places)
print(rewards)  # [1.0, 0.0, 0.0]; None is one that cannot be judged

with tempfile.TemporaryDirectory() as folder:
    written = exported.write(Path(folder, "arithmetic-trl"))
    print(sorted(path.name for path in written.iterdir()))

guess = rg.export.trl(rg.make("guess"), rows=1)  # several turns: tools become methods that TRL calls
assert guess.environment_factory is not None
episode = guess.environment_factory()
episode.reset(**guess.rows[0])
print(episode.guess(number=50))
number = guess.tasks[0].task.reference
final = [[{"role": "assistant", "content": f"\\boxed{{{number}}}"}]]
print(guess.reward(completions=final, task=[], index=[], environments=[episode]))  # [1.0]
