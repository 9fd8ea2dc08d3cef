"""`model.py`: one Python file that builds the network of an architecture with torch alone."""

from __future__ import annotations

import sys
import types
from typing import Any, List

import torch
from torch import nn

from naslib_gennas import __version__
from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import source
from naslib_gennas.studies.published import Cost, example

_FILE = '''"""{title}

    from model import network

    model = network()  # {shapes}

The architecture, in the notation of {space}:

{arch}

This file needs torch alone. naslib-gennas {version} wrote it; the classes are its own (Apache-2.0).
"""

{definitions}


def network({classes}: int = {number}) -> nn.Module:
    """A new network, initialised from torch's global generator."""
    return {call}


if __name__ == "__main__":
    model = network().eval()
    print(f"{{sum(parameter.numel() for parameter in model.parameters()):,}} parameters")
    print("logits:", tuple(model({inputs}).shape))
'''


def write(space: SearchSpace[Any], arch: Any, model: nn.Module, number: int, price: Cost) -> str:
    """The source of a file that builds the same network with torch alone, with the same names of all weights.

    Args:
        space, arch: what the network was built from.
        model: what `published.network` gives for them.
        number: of its classes, or of its words.
        price: what it costs.

    Raises:
        InputError: the network is made of what has no source.
    """
    inner = getattr(model, "network", None)
    if not isinstance(inner, StagedNetwork):
        raise InputError(f"{space.name}: its networks cannot be written as source; {source.OTHERWISE}")
    sources = source.Sources()
    for root in (*source.classes_in(inner), type(model)):
        sources.add(root)
    inputs = example(space, 2, price.resolution)
    name = type(model).__name__
    if inputs.is_floating_point():
        classes, shapes = "classes", f"(images, 3, height, width) -> (images, {number})"
        made, more = source.literal(inner, 8, 0, {"classes": source.Name(classes)}), ""
        batch = f"torch.zeros({', '.join(map(str, inputs.shape))})"
    else:
        classes, shapes = "words", f"words as numbers (length, sequences) -> (length, sequences, {number})"
        made, more = source.literal(inner, 8), f"        {classes},\n"
        batch = f"torch.zeros({', '.join(map(str, inputs.shape))}, dtype=torch.long)"
    call = f"{name}(\n        {made},\n{more}    )"
    text = _FILE.format(
        title=f"A network of the search space {space.name}: {price}.",
        shapes=shapes,
        space=space.name,
        arch="\n".join(_wrapped(space.format(arch))).replace("\\", "\\\\"),
        version=__version__,
        definitions=sources.text(),
        classes=classes,
        number=number,
        call=call,
        inputs=batch,
    )
    if _weights(_built(text)) != _weights(model):
        raise InputError(f"{space.name}: its networks cannot be written as source; {source.OTHERWISE}")
    return text


def _wrapped(text: str, indent: int = 4) -> List[str]:
    """Lines of a notation that may be broken after its commas."""
    lines = [""]
    for part in text.split(", "):
        if lines[-1] and indent + len(lines[-1]) + len(part) + 3 > source.WIDTH:
            lines.append("")
        lines[-1] += f"{part}, "
    lines[-1] = lines[-1][:-2]
    return [f"{' ' * indent}{line}".rstrip() for line in lines]


def _built(text: str) -> nn.Module:
    """The network that the source builds, without memory for its weights."""
    module = types.ModuleType("_naslib_gennas_model")
    sys.modules[module.__name__] = module  # dataclasses look their own module up
    try:
        exec(compile(text, "model.py", "exec", dont_inherit=True), module.__dict__)
        with torch.device("meta"):
            return module.__dict__["network"]()
    finally:
        del sys.modules[module.__name__]


def _weights(model: nn.Module) -> Any:
    return {name: value.shape for name, value in model.state_dict().items()}
