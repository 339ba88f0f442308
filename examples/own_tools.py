"""An environment with tools of its own: typed functions, a state for each episode, a verifier.

    python examples/own_tools.py

`rlvr train` and `rlvr eval` play it once it is registered: see the page on environments.
"""

import rlvr_gym as rg


class Basket:
    """The state of an episode, made from its task. No policy sees it."""

    def __init__(self, task: rg.Task) -> None:
        self.prices = {"tea": int(str(task.reference)) - 1, "milk": 1}
        self.asked = 0


@rg.tool
def price(item: str, basket: rg.State[Basket]) -> int:
    """Look up a price.

    Args:
        item: the name of the item
    """
    basket.asked += 1
    return basket.prices[item]


@rg.register("demo/Shop-v0")
def shop(largest: int = 9) -> rg.Environment:
    """The price of tea and milk together."""
    tasks = [
        rg.Task(id=str(n), prompt="What do tea and milk cost together? Answer in \\boxed{}.", reference=n)
        for n in range(2, largest + 1)
    ]
    return rg.Environment(
        rg.TaskSet.from_tasks(tasks, name="shop"),
        rg.verifiers.Numeric("boxed"),
        tools=[price],
        limits=rg.EpisodeLimits(calls=4),
        state=Basket,
        max_turns=3,
    )


def call(item: str) -> str:
    """A call as text, as a model without tools in its chat template writes it."""
    return f'<tool_call>{{"name": "price", "arguments": {{"item": "{item}"}}}}</tool_call>'


env = rg.make("shop")
prompt, _ = env.reset(options={"task": "5"})
print(prompt)
print(env.step(call("tea") + call("milk") + call("coffee"))[0])  # 4, 1, error: KeyError: 'coffee'
_, reward, _, _, info = env.step("\\boxed{5}")
print(reward, info["verdict"].outcome)  # 1.0 correct
