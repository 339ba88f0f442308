"""Which gradient the KL estimators have, in the loss and in the reward, where every sequence can be counted."""

from __future__ import annotations

import itertools

import torch
from rlvr_trainers.objectives.kl import kl_estimate
from torch import Tensor

from experiments.experiment import Claim, Expectation, Experiment, Figures, Settings, of

VOCABULARY = 3
NAMES = ("reverse KL", "forward KL")


def measure(settings: Settings, seed: int) -> Figures:
    """The cosines of the estimator's expected gradient with those of both KLs, and the estimator's own mean."""
    random = torch.Generator().manual_seed(seed)
    length = int(str(settings["length"]))
    states = sum(VOCABULARY**place for place in range(length))
    logits, reference = (
        torch.randn(states, VOCABULARY, generator=random, dtype=torch.float64) for _ in range(2)
    )
    logits.requires_grad_()
    lp_BT, ref_BT = table(logits, length), table(reference, length)
    weight_B = lp_BT.detach().sum(1).exp()
    estimator, place = str(settings["estimator"]), settings["place"]
    estimates_BT = kl_estimate(estimator, lp_BT, ref_BT)
    if place == "loss":
        estimate = (weight_B * estimates_BT.sum(1)).sum()
    else:
        estimate = (weight_B * estimates_BT.detach().sum(1) * lp_BT.sum(1)).sum()
    found = gradient(estimate, logits)
    lp_B, ref_B = lp_BT.sum(1), ref_BT.sum(1)
    reverse = (lp_B.exp() * (lp_B - ref_B)).sum()
    forward = (ref_B.exp() * (ref_B - lp_B)).sum()
    return {
        "cosine with reverse KL": cosine(found, gradient(reverse, logits)),
        "cosine with forward KL": cosine(found, gradient(forward, logits)),
        "size of the gradient": float(found.norm() / gradient(reverse, logits).norm()),
        "error of the value": abs(
            float((weight_B * estimates_BT.sum(1)).sum().detach() / reverse.detach()) - 1
        ),
    }


def table(logits: Tensor, length: int) -> Tensor:
    """Log-probabilities (B, T) of all sequences; each prefix has a row of logits of its own."""
    logp = logits.log_softmax(-1)
    rows = []
    for sequence in itertools.product(range(VOCABULARY), repeat=length):
        state, first, row = 0, 0, []
        for place, token in enumerate(sequence):
            row.append(logp[first + state, token])
            first, state = first + VOCABULARY**place, state * VOCABULARY + token
        rows.append(torch.stack(row))
    return torch.stack(rows)


def gradient(value: Tensor, logits: Tensor) -> Tensor:
    """The gradient by the logits, flat."""
    return torch.autograd.grad(value, logits, retain_graph=True)[0].flatten()


def cosine(one: Tensor, other: Tensor) -> float:
    """The cosine of two gradients; 0 where one of them is nothing but rounding."""
    if float(one.norm()) < 1e-12 * float(other.norm()):
        return 0.0
    return float(torch.cosine_similarity(one, other, dim=0))


EXACT = 1e-9
FORWARD, REVERSE = "cosine with forward KL", "cosine with reverse KL"

EXPERIMENT = Experiment(
    name="kl",
    title="KL estimators and their gradients",
    setup="Policy and reference are random tables over sequences of three tokens (27 of them; or of one "
    "token). Every sequence is counted with its probability, so each side has its expected gradient "
    "without noise: of k1, k2 and k3 as a term of the loss, and as a penalty in the reward. It is "
    "compared with the gradients of both KLs of whole sequences.",
    seeds=tuple(range(10)),
    sides={
        "k1 in the loss": {"estimator": "k1", "place": "loss", "length": 3},
        "k2 in the loss": {"estimator": "k2", "place": "loss", "length": 3},
        "k3 in the loss": {"estimator": "k3", "place": "loss", "length": 3},
        "k1 in the reward": {"estimator": "k1", "place": "reward", "length": 3},
        "k3 in the reward": {"estimator": "k3", "place": "reward", "length": 3},
        "k2 in the loss, one token": {"estimator": "k2", "place": "loss", "length": 1},
        "k3 in the loss, one token": {"estimator": "k3", "place": "loss", "length": 1},
    },
    measure=measure,
    claims=(
        Claim(
            says="A KL term in the loss has the gradient of KL(policy || reference).",
            stands="GRPO: a KL in the loss so that the new policy does not leave the old; its k3 is "
            "DeepSeekMath's equation 4",
            expectations=(
                Expectation(
                    says="k1: cosine with that gradient",
                    more=of("k1 in the loss", REVERSE),
                    less=1.0,
                    margin=EXACT,
                ),
                Expectation(says="k2: the same", more=of("k2 in the loss", REVERSE), less=1.0, margin=EXACT),
                Expectation(says="k3: the same", more=of("k3 in the loss", REVERSE), less=1.0, margin=EXACT),
                Expectation(
                    says="k2, one token: the same",
                    more=of("k2 in the loss, one token", REVERSE),
                    less=1.0,
                    margin=EXACT,
                ),
                Expectation(
                    says="k3, one token: the same",
                    more=of("k3 in the loss, one token", REVERSE),
                    less=1.0,
                    margin=EXACT,
                ),
            ),
            remark="k1 has no gradient at all. k2 has the right one where a sequence is one token; in longer "
            "ones it leaves out what a token does to the KL of those after it.",
        ),
        Claim(
            says="k3 in the loss follows KL(reference || policy).",
            stands="[Training](training.md#recipes)",
            expectations=(
                Expectation(
                    says="one token: cosine with that gradient",
                    more=of("k3 in the loss, one token", FORWARD),
                    less=1.0,
                    margin=EXACT,
                ),
                Expectation(
                    says="three tokens: the same", more=of("k3 in the loss", FORWARD), less=1.0, margin=EXACT
                ),
            ),
            remark="In longer sequences states are those that the policy visits, not the reference.",
        ),
        Claim(
            says="A KL penalty in the reward has the gradient of KL(policy || reference).",
            stands="PPO: the penalty for leaving the reference",
            expectations=(
                Expectation(
                    says="k1: cosine with that gradient",
                    more=of("k1 in the reward", REVERSE),
                    less=1.0,
                    margin=EXACT,
                ),
                Expectation(
                    says="k3: the same", more=of("k3 in the reward", REVERSE), less=1.0, margin=EXACT
                ),
            ),
            remark="With k1, as rlvr-gym has it; other estimators in the reward are refused.",
        ),
    ),
)
