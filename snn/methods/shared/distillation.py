"""The distance between softened class probabilities."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import kl_div, log_softmax


def divergence(teacher: Tensor, z: Tensor, temperature: float) -> Tensor:
    """D(a, z) = τ² · mean_n Σ_k p_a log(p_a/p), with p = softmax(z/τ), of logits a (the teacher's) and z, `[N, K]`."""
    log_p, log_a = log_softmax(z / temperature, 1), log_softmax(teacher / temperature, 1)
    return temperature**2 * kl_div(log_p, log_a, reduction="batchmean", log_target=True)
