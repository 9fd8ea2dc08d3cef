"""Give networks that are to be compared weights that were drawn in the same way."""

from __future__ import annotations

import torch
from torch import nn

from naslib_gennas.errors import InputError, suggest
from naslib_gennas.randomness import isolated

#: "as is" leaves the weights alone; "default" draws them as the modules do when they are made; "kaiming" and "xavier"
#: draw the weights of all layers and zero their biases, "kaiming weights" and "xavier weights" leave the biases as they
#: are; "zero bias" only zeroes them.
WAYS = ("as is", "default", "kaiming", "xavier", "kaiming weights", "xavier weights", "zero bias")

_LAYERS = (nn.modules.conv._ConvNd, nn.Linear)
_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


def initialise(module: nn.Module, way: str, seed: int) -> None:
    """Draw the weights of convolutions and linear layers anew, in place; normalisation starts as new.

    Weights that a parametrisation computes, embeddings and other parameters stay as they are.

    Args:
        module: any.
        way: one of `WAYS`; kaiming: normal, fan out, for ReLU (arXiv:1502.01852); xavier: uniform.
        seed: of what is drawn.

    Raises:
        InputError: an unknown way.
    """
    if not isinstance(way, str) or way not in WAYS:
        raise InputError(f"initialise is {way!r}{suggest(str(way), WAYS)}")
    if way == "as is":
        return
    with isolated(seed), torch.no_grad():
        for part in module.modules():
            if isinstance(part, _LAYERS):
                _layer(part, way)
            elif isinstance(part, _NORMS) and way != "zero bias":
                part.reset_parameters()


def _layer(layer: nn.Module, way: str) -> None:
    own = dict(layer.named_parameters(recurse=False))
    if way == "default" and "weight" in own:
        layer.reset_parameters()
        return
    if "weight" in own and way.startswith("kaiming"):
        nn.init.kaiming_normal_(own["weight"], mode="fan_out", nonlinearity="relu")
    elif "weight" in own and way.startswith("xavier"):
        nn.init.xavier_uniform_(own["weight"])
    if own.get("bias") is not None and not way.endswith("weights"):
        nn.init.zeros_(own["bias"])
