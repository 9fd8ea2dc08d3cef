"""`nasi`: the trace norm of the neural tangent kernel at initialisation, by one gradient (NASI, arXiv:2109.00817)."""

from __future__ import annotations

from typing import Optional, Sequence, Union

import torch
import torch.nn.functional as F

from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.gradients import random_labels
from naslib_gennas.proxies.proxy import Proxy, Score, finite_score
from naslib_gennas.proxies.registry import WHOLE, proxy, proxy_family
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.profiles import Profile

# How strongly NASI's objective punishes what the trace norm has above the limit nu.
PENALTY = 2.0


def trace_norm(
    logits: torch.Tensor, parameters: Sequence[torch.Tensor], labels: torch.Tensor, differentiable: bool = False
) -> torch.Tensor:
    """The estimate of the kernel's trace norm: |gradient of the batch's summed loss|^2 / images.

    For labels drawn uniformly its mean is that of g' K g / images, with K the kernel of the class scores and g the
    loss's gradient by them: nearly the trace of K (arXiv:2109.00817, section 4.2).

    Args:
        logits: (images, classes).
        parameters: of the network; those that the scores do not depend on count as zeros.
        labels: (images,).
        differentiable: whether a gradient of the estimate itself will be asked for.
    """
    total = F.cross_entropy(logits, labels, reduction="sum")
    gradients = torch.autograd.grad(total, list(parameters), allow_unused=True, create_graph=differentiable)
    squares = [gradient.pow(2).sum() for gradient in gradients if gradient is not None]
    return torch.stack(squares or [logits.new_zeros(())]).sum() / len(logits)


def limit_of(text: Union[str, float]) -> Optional[float]:
    """The limit nu that a text states, a number above 0; None: it states none."""
    try:
        limit = float(text)
    except ValueError:
        return None
    return limit if limit > 0 else None


def objective(trace: torch.Tensor, limit: float) -> torch.Tensor:
    """NASI's objective: the trace norm less the penalty on what it has above nu (arXiv:2109.00817, section 4.3)."""
    return trace - PENALTY * torch.clamp_min(trace - limit, 0.0)


@proxy("nasi", inputs="noise")
def nasi(network: StagedNetwork, inputs: torch.Tensor, seed: int, labels: Optional[torch.Tensor] = None) -> float:
    """The trace norm, without a limit on it (arXiv:2109.00817, section 4.2): Gaussian inputs, random labels."""
    logits = network.logits(inputs)
    if labels is None:
        labels = random_labels(len(logits), logits.shape[1], seed, logits.device)
    return float(trace_norm(logits, list(network.parameters()), labels))


@proxy_family("nasi-fix:")
def fixed(rest: str, profile: Optional[Profile] = None) -> Proxy:
    """``nasi-fix:NU``: NASI's objective with a fixed limit nu on the trace norm (NASI-FIX)."""
    limit = limit_of(rest)
    if limit is None:
        raise InputError(f"'nasi-fix:{rest}' takes a limit on the trace norm, a number above 0, as in nasi-fix:50")

    def measure(network: StagedNetwork, batch: Batch, seed: int) -> Score:
        trace = torch.tensor(nasi(network.train(), batch.tensor, seed))
        return finite_score(float(objective(trace, limit)), trace=float(trace))

    chosen = profile or WHOLE
    return Proxy(f"nasi-fix:{rest}", measure, chosen, chosen.images or 64, {"nu": limit}, inputs="noise")


fixed.members = list  # type: ignore[attr-defined]
