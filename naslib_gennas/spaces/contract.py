"""What every search space promises, as checks that anyone can run on a search space of their own.

In a test of yours::

    from naslib_gennas.spaces import contract

    @pytest.mark.parametrize("check", contract.CHECKS)
    def test_my_space_keeps_the_contract(check):
        check(MySpace())
"""

from __future__ import annotations

import pickle
from typing import Any, Callable, List, Tuple

import cloudpickle
import numpy as np
import torch
from torch import nn

from naslib_gennas.errors import InputError
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.space import SearchSpace, build

# Small, so that the checks take seconds.
_SMALL = Profile(name="contract", cells=1, channels=8, width=0.05, layers=1)
# Drawn for the checks of architectures, and built for the checks of networks.
_DRAWN, _BUILT = 10, 2


def check(space: SearchSpace[Any]) -> None:
    """All checks, one after another.

    Raises:
        AssertionError: the first promise that the space does not keep.
    """
    for one in CHECKS:
        one(space)


def check_description(space: SearchSpace[Any]) -> None:
    """It has a name, a known kind, and says how architectures are written and what a mutation does."""
    _hold(isinstance(getattr(space, "name", None), str) and space.name, space, "has no name")
    _hold(space.kind in ("cnn", "rnn"), space, f"has kind {space.kind!r}; it takes 'cnn' or 'rnn'")
    for attribute in ("notation", "mutation"):
        text = getattr(space, attribute)
        _hold(isinstance(text, str) and "\n" not in text, space, f"its {attribute} {text!r} is not one line of text")
    again = pickle.loads(cloudpickle.dumps(space))
    _hold(again.name == space.name, space, "changes its name on the way to a worker process")


def check_sampling(space: SearchSpace[Any]) -> None:
    """Draws are values that hash and compare, the same for the same generator, and not always the same one."""
    archs = _drawn(space)
    _hold(archs == _drawn(space), space, "two generators of one seed draw different architectures")
    _hold(len(set(archs)) > 1, space, f"{_DRAWN} draws all give {_short(space, archs[0])}")
    again = pickle.loads(cloudpickle.dumps(archs))
    _hold(again == archs, space, "an architecture changes on the way to a worker process")


def check_mutation(space: SearchSpace[Any]) -> None:
    """A mutation gives another architecture that can be written down, leaves its parent alone, and follows its seed."""
    for place, arch in enumerate(_drawn(space)):
        before = space.format(arch)
        mutant = space.mutate(arch, np.random.default_rng(place))
        _hold(mutant != arch, space, f"mutate gives back {_short(space, arch)} itself")
        _hold(space.format(arch) == before, space, f"mutate changes {_short(space, arch)} itself")
        again = space.mutate(arch, np.random.default_rng(place))
        _hold(mutant == again, space, f"two generators of one seed give different mutants of {_short(space, arch)}")
        _hold(space.parse(space.format(mutant)) == mutant, space, f"a mutant of {before} cannot be read back")


def check_notation(space: SearchSpace[Any]) -> None:
    """What is written down is read back as the same architecture, and what is nothing is refused in one line."""
    for arch in _drawn(space):
        text = space.format(arch)
        _hold(isinstance(text, str) and "\n" not in text, space, f"format gives {text!r}, not one line of text")
        _hold(space.parse(text) == arch, space, f"parse(format(arch)) is another architecture for {text}")
        _hold(space.format(space.parse(text)) == text, space, f"{text} is written differently when read back")
    for wrong in ("", "no architecture", "{}", "[", None, 5):
        try:
            space.parse(wrong)
        except InputError as error:
            _hold(len(str(error).splitlines()) == 1, space, f"its message about {wrong!r} has several lines")
        except Exception as error:
            _hold(False, space, f"parse({wrong!r}) raises {type(error).__name__}, not InputError")
        else:
            _hold(False, space, f"parse({wrong!r}) does not refuse it")


def check_keys(space: SearchSpace[Any]) -> None:
    """Keys are texts, the same whenever and wherever they are asked for, and not the same for everything."""
    archs = _drawn(space)
    keys = [space.key(arch) for arch in archs]
    _hold(all(isinstance(key, str) and key for key in keys), space, "a key is no text")
    _hold(keys == [space.key(arch) for arch in archs], space, "a key changes from one call to the next")
    _hold(keys == [space.key(space.parse(space.format(arch))) for arch in archs], space, "reading back changes a key")
    _hold(len(set(keys)) > 1, space, f"all keys of {_DRAWN} draws are equal")


def check_networks(space: SearchSpace[Any]) -> None:
    """Networks are made by their seed alone, and give stage feature maps of the channels that they announce."""
    for arch in _trainable(space):
        state = torch.get_rng_state()
        network, twin = (build(space, arch, _SMALL, seed=3) for _ in range(2))
        what = _short(space, arch)
        _hold(torch.equal(state, torch.get_rng_state()), space, f"building {what} moves torch's global generator")
        pairs = zip(network.state_dict().values(), twin.state_dict().values())
        _hold(all(torch.equal(a, b) for a, b in pairs), space, f"one seed gives two initialisations of {what}")
        inputs = _inputs(space, network)
        maps = network(inputs)
        _hold(len(maps) == len(network.stage_channels), space, f"{what} has {len(maps)} maps, not as announced")
        if space.stages is not None:
            _hold(len(maps) == space.stages, space, f"{what} has {len(maps)} maps; the space says {space.stages}")
        places = [-1 if space.kind == "rnn" else 1] * len(maps)
        found = [one.shape[place] for one, place in zip(maps, places)]
        announced = list(network.stage_channels)
        _hold(found == announced, space, f"the maps of {what} have {found} channels; stage_channels says {announced}")


def check_trainability(space: SearchSpace[Any]) -> None:
    """`untrainable` gives None or a reason of one line, and is right: the last map depends on the input, or not."""
    for arch in _drawn(space)[: 2 * _BUILT]:
        reason = space.untrainable(arch)
        what = _short(space, arch)
        _hold(reason is None or (isinstance(reason, str) and reason and "\n" not in reason), space, f"{reason!r}")
        network = build(space, arch, _SMALL, seed=3).train()
        inputs = _inputs(space, network).requires_grad_()
        last = network(inputs)[-1]
        weights = torch.randn(last.shape, generator=torch.Generator().manual_seed(0))
        gradient = None
        if last.requires_grad:
            (gradient,) = torch.autograd.grad((last * weights).sum(), inputs, allow_unused=True)
        reached = gradient is not None and bool(gradient.abs().sum() > 0)
        if reason is None:
            _hold(reached, space, f"no path leads through {what}, and untrainable gives no reason")
        else:
            _hold(not reached, space, f"untrainable says '{reason}' of {what}, but its last map depends on the input")


def check_published(space: SearchSpace[Any]) -> None:
    """The network that one trains in the end takes what `example` gives, and gives scores of the classes asked for."""
    arch = _trainable(space)[0]
    with torch.device("meta"):
        network = space.published(arch).eval()
        _hold(isinstance(network, nn.Module), space, f"published gives {type(network).__name__}, not a module")
        batch = space.example(2)
        _hold(isinstance(network(batch), torch.Tensor), space, "what published gives does not give one tensor")
        try:
            other = space.published(arch, classes=7).eval()
        except InputError:  # its networks have no classifier
            return
        shape = tuple(other(batch).shape)
        _hold(shape[-1] == 7, space, f"published(arch, classes=7) gives scores of the shape {shape}")


#: Every check; each takes a search space and raises an AssertionError that says which promise is not kept.
CHECKS: Tuple[Callable[[SearchSpace[Any]], None], ...] = (
    check_description,
    check_sampling,
    check_mutation,
    check_notation,
    check_keys,
    check_networks,
    check_trainability,
    check_published,
)


def _hold(promise: Any, space: SearchSpace[Any], broken: str) -> None:
    if not promise:
        raise AssertionError(f"search space '{getattr(space, 'name', type(space).__name__)}': {broken}")


def _drawn(space: SearchSpace[Any]) -> List[Any]:
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(_DRAWN)]


def _trainable(space: SearchSpace[Any]) -> List[Any]:
    found = [arch for arch in _drawn(space) if space.untrainable(arch) is None]
    _hold(found, space, f"none of {_DRAWN} draws can be trained: {space.untrainable(_drawn(space)[0])}")
    return found[:_BUILT]


def _inputs(space: SearchSpace[Any], network: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    if space.kind == "rnn":
        return torch.randn(4, 2, network.stage_channels[-1], generator=generator)
    return torch.randn(2, *(getattr(space, "inputs", None) or (3, 32, 32)), generator=generator)


def _short(space: SearchSpace[Any], arch: Any) -> str:
    text = space.format(arch)
    return text if len(text) <= 80 else f"{text[:77]}..."
