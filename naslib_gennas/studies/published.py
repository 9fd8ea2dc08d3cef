"""The network that one trains at the end of a search, and what it costs."""

from __future__ import annotations

import contextlib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Optional, Tuple, Union

import torch
from torch import nn

from naslib_gennas import reading, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.networks import cost as costs
from naslib_gennas.networks.classifier import Classifier
from naslib_gennas.regression import profiles
from naslib_gennas.spaces.space import SearchSpace

PUBLISHED = "published"
#: The file of a search's folder that says at which depth, width and resolution its network is meant.
NETWORK = "network.json"
# Below, networks that halve the resolution a few times have nothing left to look at.
_LEAST_RESOLUTION, _MOST_RESOLUTION = 8, 4096


def network(
    space: Union[str, SearchSpace[Any]],
    arch: Any,
    *,
    classes: Optional[int] = None,
    resolution: Optional[int] = None,
    size: str = PUBLISHED,
) -> nn.Module:
    """The network of an architecture, to be trained: its forward gives logits.

    >>> model = network("nats-size", "16:32:24:64:48", classes=100)
    >>> model(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 100])

    It is initialised from torch's global generator, as any new module. Auxiliary heads and drop path, which belong to a
    training recipe, are left out.

    Args:
        space: a search space or its name.
        arch: in the space's notation, or the folder of a search: its best architecture, at the depth, width and
            resolution that the search was told.
        classes: number of classes (words of a language model); None: those of the benchmark.
        resolution: height and width of the images that it is for, in pixels; None: the benchmark's. Some spaces have
            another network for ImageNet than for CIFAR.
        size: "published": as large as the benchmark trains it; the name of a profile: as small as that scores it.

    Returns:
        A module: (images, 3, height, width) to (images, classes); a language model: numbers of words
        (length, sequences) to (length, sequences, words). For a space of your own, the module that it makes.

    Raises:
        InputError: an unknown name, an architecture that the space does not have or that cannot be trained, or a
            number out of range.
    """
    found, parsed, side = given(space, arch, resolution)
    return build(found, parsed, classes, side, size)


def build(
    space: SearchSpace[Any], arch: Any, classes: Optional[int], resolution: Optional[int], size: str = PUBLISHED
) -> nn.Module:
    """What `network` gives, for an architecture that is known to be the space's."""
    _check_number("classes", classes, 1, 2**24)
    _check_number("resolution", resolution, _LEAST_RESOLUTION, _MOST_RESOLUTION)
    reason = space.untrainable(arch)
    if reason is not None:
        raise InputError(f"{space.name}: {space.format(arch)} cannot be trained: {reason}")
    if size == PUBLISHED:
        return space.published(arch, classes, resolution)
    if space.kind == "rnn":
        raise InputError(f"{space.name}: a language model has the size '{PUBLISHED}' only")
    small = space.build(arch, space.size(profiles.get(size)))
    if classes is not None:
        args, kwargs = small.arguments
        signature = inspect.signature(type(small).__init__)
        if "classes" not in signature.parameters:
            raise InputError(f"{space.name}: the number of classes is free at the size '{PUBLISHED}' only")
        bound = {**signature.bind(small, *args, **kwargs).arguments, "classes": classes}
        del bound["self"]
        small = type(small)(**bound)
    return Classifier(small, (space.name, arch))


def _check_number(name: str, value: Optional[int], least: int, most: int) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most):
        raise InputError(f"{name} is {value!r}; it takes a whole number from {least} to {most}")


def architecture(space: SearchSpace[Any], arch: Any) -> Any:
    """The architecture of a notation, or the best one of a search's folder.

    Raises:
        InputError: the space does not have it, or the folder holds no search of that space.
    """
    folder = _folder(arch)
    return space.parse(arch) if folder is None else space.parse(_best(folder, space.name))


def given(
    space: Union[str, SearchSpace[Any]], arch: Any, resolution: Optional[int]
) -> Tuple[SearchSpace[Any], Any, Optional[int]]:
    """A search space, an architecture of it and a resolution, as a caller names them.

    The folder of a search stands for its best architecture, at the depth and width that the search was told or has
    fitted, and at its resolution, where the caller does not say otherwise.

    Raises:
        InputError: as `architecture`.
    """
    found, folder = spaces.get(space), _folder(arch)
    parsed = architecture(found, arch)
    if folder is None or not (folder / NETWORK).is_file():
        return found, parsed, resolution
    try:
        kept = json.loads((folder / NETWORK).read_text(encoding="utf-8"))
        settings, side = dict(kept["settings"]), kept["resolution"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"'{folder / NETWORK}' is damaged; delete it to export the usual network") from None
    if settings and not found.published_settings:
        found = spaces.get(found.name, **settings)
    return found, parsed, side if resolution is None else resolution


def _folder(arch: Any) -> Optional[Path]:
    return Path(arch) if isinstance(arch, (str, Path)) and reading.is_folder(arch) else None


def _best(folder: Path, space: str) -> Any:
    """The best architecture of a search, as its result.json has it."""
    file = folder / "result.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"'{folder}' is not the folder of a search: result.json: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(f"'{file}' is damaged: it is not JSON") from None
    best = content.get("best") if isinstance(content, dict) else None
    if isinstance(content, dict) and "front" in content:
        raise InputError(f"'{folder}' holds a trade-off; give one of the architectures in its front.csv")
    if not isinstance(best, dict) or "arch" not in best:
        raise InputError(f"'{file}' has no best architecture; it takes the folder of `gennas search`")
    if content.get("space") != space:
        raise InputError(f"'{folder}' holds a search of {content.get('space')}, not of {space}")
    return best["arch"]


# ------------------------------------------------------------------------------------------------------ what it costs


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes:
        params: trainable and other parameters.
        flops: multiply-additions of one input; None for what is no image, as words are.
        resolution: height and width of that input, in pixels; None for what is no image.
    """

    params: int
    flops: Optional[float]
    resolution: Optional[int]

    def __str__(self) -> str:
        parts = [f"{_amount(self.params)} parameters"]
        if self.flops is not None:
            of = "one input" if self.resolution is None else f"{self.resolution}x{self.resolution} pixels"
            parts.append(f"{_amount(self.flops)} multiply-additions for {of}")
        return ", ".join(parts)


def cost(space: SearchSpace[Any], model: nn.Module, resolution: Optional[int] = None) -> Cost:
    """Parameters and multiply-additions of a network.

    Raises:
        InputError: it cannot take images of that resolution.
    """
    params, inputs = costs.parameters(model), example(space, 1, resolution)
    if not inputs.is_floating_point():
        return Cost(params, None, None)
    with evaluating(model):
        try:
            flops = costs.multiply_adds(model, inputs)
        except Exception as error:  # of a network of the user's own: in many ways
            side = "x".join(str(length) for length in inputs.shape[2:])
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
            raise InputError(f"the network cannot take inputs of {side} ({reason}); try a larger resolution") from None
    return Cost(params, flops, inputs.shape[-1] if inputs.dim() == 4 else None)


def example(
    space: SearchSpace[Any], count: int, resolution: Optional[int], words: Optional[int] = None
) -> torch.Tensor:
    """A batch that the networks of a space take; of a vocabulary of `words`, where it is one of words."""
    inputs = space.example(count, resolution)
    return inputs if inputs.is_floating_point() or words is None else inputs % words


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode for a while."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _amount(number: float) -> str:
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " K")):
        if number >= unit:
            return f"{number / unit:.{2 if number < 10 * unit else 1 if number < 100 * unit else 0}f}{name}"
    return f"{number:.0f}"
