"""Train a policy through an agent: a program of its own, here one on the `openai` package, that asks it over HTTP.

    python examples/agent.py

Needs `pip install 'rlvr-gym[agents,train]' openai`. Takes less than a minute on a CPU.
"""

import openai
import rlvr_trainers

import rlvr_gym as rg


async def agent(task: rg.Task, base_url: str, key: str) -> str:
    """Ask twice, the second time with the first answer in view; the text that is returned is judged."""
    async with openai.AsyncOpenAI(base_url=base_url, api_key=key) as policy:
        draft = await policy.chat.completions.create(
            model="policy", messages=[{"role": "user", "content": task.text}]
        )
        said = draft.choices[0].message.content or ""
        final = await policy.chat.completions.create(
            model="policy",
            messages=[
                {"role": "user", "content": task.text},
                {"role": "assistant", "content": said},
                {"role": "user", "content": "?"},
            ],
        )
    return final.choices[0].message.content or ""


def main() -> None:
    """Train for a few steps, and show what came of it."""
    tasks = [rg.Task(prompt=f"{n}+0=", reference=str(n)) for n in range(10)]
    env = rg.AgentEnvironment(rg.TaskSet.from_tasks(tasks, name="sums"), rg.verifiers.Exact("whole"), agent)
    result = rlvr_trainers.train(
        model="tiny:0123456789+=?",
        env=env,
        algorithm="dr_grpo",
        run={"steps": 3},
        batch={"prompts": 4, "group_size": 8},
        sampling={"max_tokens": 2},
        eval=None,
    )
    print(f"{result.step} steps; rlvr view {result.run_dir} shows them")


if __name__ == "__main__":
    main()
