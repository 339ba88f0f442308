"""One of two processes: computes its share of a step's gradient and adds it up over both. Run by test_invariants."""

import itertools
import os
import sys
from pathlib import Path

import torch
from rlvr_trainers.learner.layout.microbatches import microbatches
from rlvr_trainers.learner.logprobs import token_logprobs
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.objectives.denominators import Denominators
from rlvr_trainers.objectives.policy_gradient import policy_loss


def main(case_path: str, result_path: str) -> None:
    torch.set_num_threads(1)
    case = torch.load(case_path, weights_only=False)
    mesh, model, batch = Mesh(), case["model"], case["batch"]
    gradients, shares = {}, []
    for config, budget in itertools.product(case["configs"], case["budgets"]):
        sequences = 0
        denominators = Denominators.of(config.aggregation, batch.tokens, max_tokens=case["max_tokens"])
        model.zero_grad()
        for rows in microbatches(batch.tokens.lengths_B.tolist(), budget, part=mesh.rank, parts=mesh.world):
            sequences += len(rows)
            part = batch.select(rows)
            logprobs, entropy = token_logprobs(model, part.tokens, temperature=0.8, with_entropy=True)
            policy_loss(config, part, denominators, logprobs, entropy)[0].backward()
        mesh.sum_gradients(model.parameters())
        gradients[config.aggregation, budget] = [p.grad.clone() for p in model.parameters()]
        shares.append(mesh.gather([sequences]))
    if mesh.first:
        torch.save({"gradients": gradients, "sequences": shares}, Path(result_path))
    mesh.leave()


if __name__ == "__main__":
    assert os.environ["WORLD_SIZE"] == "2"
    main(*sys.argv[1:])
