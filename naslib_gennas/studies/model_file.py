"""`model.py`: one Python file that builds the network of an architecture without this package."""

from __future__ import annotations

import contextlib
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Optional

import torch
from torch import nn

from naslib_gennas import user_code
from naslib_gennas._version import __version__
from naslib_gennas.errors import InputError
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.randomness import isolated
from naslib_gennas.spaces import choices
from naslib_gennas.spaces.choices import Choose
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import source
from naslib_gennas.studies.published import Cost, evaluating

_FILE = '''"""{title}

    from model import network

    model = network()  # {shapes}

The architecture, in the notation of {space}:

{arch}

This file needs {packages}. naslib-gennas {version} wrote it{origin}.
"""

{definitions}


def network({argument}) -> nn.Module:
    """A new network, initialised from torch's global generator."""
{body}


if __name__ == "__main__":
    model = network().eval()
    print(f"{{sum(parameter.numel() for parameter in model.parameters()):,}} parameters")
    print("output:", tuple(model({inputs}).shape))
'''
_ANSWERS = '''class Answers:
    """Answers what the function asks with the choices of one architecture."""

    def __init__(self, **choices):
        self.params = choices

    def suggest_categorical(self, name, choices):
        answer = self.params[name]
        # Functions and classes go by their names.
        return next((option for option in choices if getattr(option, "__name__", option) == answer), answer)

    def suggest_int(self, name, *limits, **more):
        return self.params[name]

    suggest_float = suggest_uniform = suggest_loguniform = suggest_discrete_uniform = suggest_int

    def set_user_attr(self, key, value):
        pass'''


@dataclass(frozen=True)
class _Parts:
    """What differs between networks of this package and those of a user's function.

    Attributes:
        sources: the definitions; `more` is one that comes after them.
        argument, body: of the function `network`.
        shapes: what the network takes and gives, for people.
    """

    sources: source.Sources
    argument: str
    body: str
    shapes: str
    more: str = ""


def write(
    space: SearchSpace[Any],
    arch: Any,
    model: nn.Module,
    inputs: torch.Tensor,
    price: Cost,
    classes: Optional[int] = None,
) -> str:
    """The source of a file that builds the same network without this package, with the same names of all weights.

    Args:
        space, arch, classes: what the network was built from.
        model: what `published.network` gives for them.
        inputs: a batch for it.
        price: what it costs.

    Raises:
        InputError: the network is made of what has no source.
    """
    inner, function = getattr(model, "network", None), getattr(space, "function", None)
    if function is not None:
        parts = _of_function(space, function, arch, model, classes)
    elif isinstance(inner, StagedNetwork):
        parts = _of_network(inner, model, inputs)
    else:
        raise InputError(f"{space.name}: its networks cannot be written as source; {source.OTHERWISE}")
    dtype = "" if inputs.is_floating_point() else ", dtype=torch.long"
    others = [package for package in parts.sources.packages() if package != "torch"]
    text = _FILE.format(
        title=f"A network of the search space {space.name}: {price}.",
        shapes=parts.shapes,
        space=space.name,
        arch="\n".join(_wrapped(space.format(arch))).replace("\\", "\\\\").replace('"""', '\\"\\"\\"'),
        packages=" and ".join(["torch", *others]) if others else "torch alone",
        version=__version__,
        origin="" if function is not None else "; the classes are its own (Apache-2.0)",
        definitions="\n\n\n".join(filter(None, (parts.sources.text(), parts.more))),
        argument=parts.argument,
        body=parts.body,
        inputs=f"torch.zeros({', '.join(map(str, inputs.shape))}{dtype})",
    )
    if _weights(_built(text, space)) != _weights(model):
        raise InputError(f"{space.name}: its networks cannot be written as source; {source.OTHERWISE}")
    return text


def _of_network(inner: StagedNetwork, model: nn.Module, inputs: torch.Tensor) -> _Parts:
    sources = source.Sources()
    for root in (*source.classes_in(inner), type(model)):
        sources.add(root)
    with evaluating(model), torch.no_grad():
        number = model(inputs).shape[-1]
    if inputs.is_floating_point():
        name, shapes = "classes", f"(images, 3, height, width) -> (images, {number})"
        made, more = source.literal(inner, 8, 0, {name: source.Name(name)}), ""
    else:
        name, shapes = "words", f"words as numbers (length, sequences) -> (length, sequences, {number})"
        made, more = source.literal(inner, 8), f"        {name},\n"
    body = f"    return {type(model).__name__}(\n        {made},\n{more}    )"
    return _Parts(sources, f"{name}: int = {number}", body, shapes)


def _of_function(space: SearchSpace[Any], function: Any, arch: Any, model: nn.Module, classes: Optional[int]) -> _Parts:
    """The user's function with all that it needs, and the choices that it makes."""
    code = getattr(function, "__code__", None)
    place = Path(code.co_filename).resolve() if code is not None else Path()
    module = sys.modules.get(str(getattr(function, "__module__", "")))
    if not place.is_file() or vars(module or types).get(function.__name__) != function:
        raise InputError(
            f"{space.name}: its function is not defined at the top of a file, and cannot be written as source; "
            f"{source.OTHERWISE}"
        )
    choose = Choose(choices.given(arch))
    with user_code.beside(place.parent), isolated(0):
        made = function(choose)
    sources = source.Sources(place.parent)
    sources.add(function)
    answers = {name: _plain(value, choose.answers[name]) for name, value in choose.params.items()}
    call = f"{function.__name__}(Answers(**{source.literal(answers, 4, 24 + len(function.__name__))}))"
    call += "[0]" if isinstance(made, (tuple, list)) else ""
    if isinstance(model, Classifier):
        sources.add(Classifier)
        call = f"Classifier({call})"
    if classes is None:
        return _Parts(sources, "", f"    return {call}", "a batch -> what the network gives", _ANSWERS)
    name, last = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Linear)][-1]
    parent, _, child = name.rpartition(".")
    owner = f'model.get_submodule("{parent}")' if parent else "model"
    body = [
        f"    model = {call}",
        f'    setattr({owner}, "{child}", nn.Linear({last.in_features}, classes, bias={last.bias is not None}))',
        "    return model",
    ]
    return _Parts(sources, f"classes: int = {classes}", "\n".join(body), f"a batch -> (batch, {classes})", _ANSWERS)


def _plain(value: Any, answer: Any) -> Any:
    """A value, or what an architecture holds for it, where it is a function or a class."""
    try:
        source.literal(value)
    except InputError:
        return answer
    return value


def _wrapped(text: str, indent: int = 4) -> List[str]:
    """Lines of a notation that may be broken after its commas."""
    lines = [""]
    for part in text.split(", "):
        if lines[-1] and indent + len(lines[-1]) + len(part) + 3 > source.WIDTH:
            lines.append("")
        lines[-1] += f"{part}, "
    lines[-1] = lines[-1][:-2]
    return [f"{' ' * indent}{line}".rstrip() for line in lines]


def _built(text: str, space: SearchSpace[Any]) -> nn.Module:
    """The network that the source builds; networks of this package without memory for their weights."""
    module = types.ModuleType("_naslib_gennas_model")
    sys.modules[module.__name__] = module  # dataclasses look their own module up
    try:
        exec(compile(text, "model.py", "exec", dont_inherit=True), module.__dict__)
        with contextlib.nullcontext() if hasattr(space, "function") else torch.device("meta"), isolated(0):
            return module.__dict__["network"]()
    except Exception as error:  # whatever the user's code raises where it is taken out of its file
        said = user_code.said(error)
        raise InputError(f"{space.name}: cannot be written as source: {said}; {source.OTHERWISE}") from None
    finally:
        del sys.modules[module.__name__]


def _weights(model: nn.Module) -> Any:
    return {name: value.shape for name, value in model.state_dict().items()}
