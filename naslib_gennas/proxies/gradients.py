"""What the gradient proxies share: the loss on random labels, its gradients by weight, and gradients by the input."""

from __future__ import annotations

from typing import Iterator, List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.randomness import generator

#: The layers whose weights the pruning measures look at (section 3.2 of arXiv:2101.08134): no BatchNorm, no biases.
LAYERS = (nn.Conv2d, nn.Linear)


def layers(network: nn.Module) -> List[nn.Module]:
    """The convolutions and linear layers of a network, in the order of its modules."""
    return [module for module in network.modules() if isinstance(module, LAYERS)]


def weights(network: nn.Module) -> List[torch.Tensor]:
    """The weights of its convolutions and linear layers, or a recurrent network's matrices; no BatchNorm, no biases."""
    return [parameter for parameter in network.parameters() if parameter.dim() > 1]


def random_labels(images: int, classes: int, seed: int, device: torch.device) -> torch.Tensor:
    """One of `classes` labels an image, uniform, the same for the same seed: (images,), int64."""
    return torch.randint(classes, (images,), generator=generator(seed, "labels")).to(device)


def loss(
    network: StagedNetwork, inputs: torch.Tensor, seed: int, labels: Optional[torch.Tensor] = None
) -> torch.Tensor:
    """The mean cross-entropy of a batch.

    Args:
        network: in the mode that it is in.
        inputs: (images, 3, height, width).
        seed: of the random labels.
        labels: (images,) true labels instead of random ones.
    """
    logits = network.logits(inputs)
    if labels is None:
        labels = random_labels(len(logits), logits.shape[1], seed, logits.device)
    return F.cross_entropy(logits, labels)


def weight_gradients(
    network: StagedNetwork, inputs: torch.Tensor, seed: int, labels: Optional[torch.Tensor] = None
) -> Iterator[Tuple[torch.Tensor, torch.Tensor]]:
    """(weight, gradient of `loss` by it) of every layer that the loss depends on."""
    of_layers = weights(network)
    gradients = torch.autograd.grad(loss(network, inputs, seed, labels), of_layers, allow_unused=True)
    for weight, gradient in zip(of_layers, gradients):
        if gradient is not None:
            yield weight.detach(), gradient


def input_jacobian(network: StagedNetwork, inputs: torch.Tensor) -> torch.Tensor:
    """The gradient of the summed class scores by every image or sequence: (images, pixels), float64, on the CPU."""
    x = inputs.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(network.logits(x).sum(), x, allow_unused=True)
    gradient = torch.zeros_like(x) if gradient is None else gradient
    # Sequences are the second dimension of (length, batch, embedding).
    return (gradient.transpose(0, 1) if x.dim() == 3 else gradient).flatten(1).double().cpu()
