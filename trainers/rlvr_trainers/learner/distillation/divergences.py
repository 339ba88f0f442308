"""Divergences of a student's token distributions from a teacher's, over the whole vocabulary, a chunk at a time.

With p the student's distribution, q the teacher's and m = beta q + (1 - beta) p (arXiv 2306.13649):

    reverse_kl    KL(p || q)
    forward_kl    KL(q || p)
    jsd           beta KL(q || m) + (1 - beta) KL(p || m)

Shapes: N action tokens, C tokens of a chunk, H hidden, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rlvr_gym.errors import ConfigError
from rlvr_trainers.learner.logprobs import Head
from rlvr_trainers.loss_settings import Divergence


def divergence(kind: Divergence, logp_CV: Tensor, logq_CV: Tensor, beta: float | None = None) -> Tensor:
    """(C,) divergences of the student's distributions from the teacher's, given their log-probabilities."""
    match kind:
        case "reverse_kl":
            return _kl(logp_CV, logq_CV)
        case "forward_kl":
            return _kl(logq_CV, logp_CV)
        case "jsd":
            if beta is None:
                raise ConfigError("divergence=jsd needs beta, the teacher's share of the mixture (0.5, say)")
            logm_CV = _mixed(logq_CV + math.log(beta), logp_CV + math.log1p(-beta))
            return beta * _kl(logq_CV, logm_CV) + (1 - beta) * _kl(logp_CV, logm_CV)


def _mixed(one_CV: Tensor, other_CV: Tensor) -> Tensor:
    """log(exp(one) + exp(other)), with a gradient where both are -inf too."""
    neither_CV = (one_CV == -math.inf) & (other_CV == -math.inf)
    either_CV = torch.logaddexp(one_CV.masked_fill(neither_CV, 0.0), other_CV.masked_fill(neither_CV, 0.0))
    return either_CV.masked_fill(neither_CV, -math.inf)


def _kl(logp_CV: Tensor, logq_CV: Tensor) -> Tensor:
    # Tokens that have no probability have no part in the sum, whatever the other distribution says of them.
    difference_CV = torch.where(logp_CV == -math.inf, 0.0, logp_CV - logq_CV)
    return (logp_CV.exp() * difference_CV).sum(-1)


def head_divergences(
    heads: tuple[Head, Head],
    hidden: tuple[Tensor, Tensor],
    targets_N: Tensor,
    *,
    kind: Divergence,
    beta: float | None = None,
    temperature: float,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """(N,) the student's log-probabilities of `targets_N`, without gradient, and its divergences from the teacher.

    Every chunk's logits are computed again in the backward pass. Where one head is wider than the other, both
    distributions are over the ids that they share: a head is often padded beyond its tokenizer's ids.

    Args:
        heads: of student and teacher.
        hidden: their hidden states (N, H), each with its own H; the teacher's without gradient.
        targets_N: the sampled ids.
        kind: of the divergences.
        beta: the teacher's share of the mixture of `jsd`.
        temperature: divides the logits of both.
        chunk: how many tokens' logits exist at a time.
    """
    of_student, of_teacher = heads

    def compare(student_CH: Tensor, teacher_CH: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
        z_CV = _scaled(of_student(student_CH), temperature)
        with torch.no_grad():
            logprobs_C = z_CV.log_softmax(-1).gather(-1, targets_C[:, None])[:, 0]
            q_CV = _scaled(of_teacher(teacher_CH), temperature)
            shared = min(z_CV.shape[-1], q_CV.shape[-1])
            logq_CV = q_CV[:, :shared].log_softmax(-1)
        return logprobs_C, divergence(kind, z_CV[:, :shared].log_softmax(-1), logq_CV, beta)

    chunks = zip(*(tensor.split(chunk) for tensor in (*hidden, targets_N)), strict=True)
    if torch.is_grad_enabled():
        parts = [checkpoint(compare, *each, use_reentrant=False, preserve_rng_state=False) for each in chunks]
    else:
        parts = [compare(*each) for each in chunks]
    logprobs, divergences = zip(*parts, strict=True)
    return torch.cat(logprobs), torch.cat(divergences)


def _scaled(logits_CV: Tensor, temperature: float) -> Tensor:
    return logits_CV.to(torch.promote_types(logits_CV.dtype, torch.float32)) / temperature
