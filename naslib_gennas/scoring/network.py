"""Score a network of the user's own: any torch module that takes images."""

from __future__ import annotations

import contextlib
import copy
import difflib
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import torch
from torch import nn

from naslib_gennas import proxies
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.measure import conditions, measure
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.randomness import derive, isolated
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring.devices import check_device


@dataclass(frozen=True)
class Tap:
    """A stage: the module whose output is its feature map, and the map's size for the input that was used."""

    name: str
    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.name}: {self.channels}x{self.height}x{self.width}"


@dataclass(frozen=True)
class NetworkScore:
    """The score of a network (see `proxies.Score`) and what was tapped for it."""

    score: float
    status: str
    reason: str
    stages: Tuple[Tap, ...]
    details: Mapping[str, Any]

    def __str__(self) -> str:
        tapped = ", ".join(map(str, self.stages))
        return f"{self.score:.4f} ({self.status}{', ' * bool(self.reason)}{self.reason}) on {tapped}"


def score_network(
    module: nn.Module,
    stages: Optional[Sequence[str]] = None,
    *,
    count: int = 3,
    proxy: Union[str, Proxy] = "gennas-combo",
    inputs: Optional[str] = None,
    seed: int = 0,
    profile: Union[str, Mapping[str, Any], Profile, None] = None,
    device: Union[str, torch.device] = "cpu",
) -> NetworkScore:
    """Score any torch module that takes a batch of images (images, 3, height, width), without labels.

    The module is scored as it is, with the weights that it has: for networks that shall be compared, initialise all of
    them the same way. A copy is trained; the module, its mode, its device and every random generator stay as they
    were. Scores compare among networks that were scored with the same settings and number of stages.

    >>> result = score_network(nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3)), profile="fast")
    >>> [str(stage) for stage in result.stages]
    ['0: 8x14x14', '2: 8x5x5']

    Args:
        module: it is called with the images alone.
        stages: names of submodules (as `module.named_modules` has them) whose outputs are the stage feature maps, early
            ones first; None: found by `find_stages`.
        count: how many stages to find at the most.
        proxy: a proxy or its name.
        inputs: the input batch (see `batches.load`); None: the proxy's own, photos for most.
        seed: the same seed gives the same score.
        profile: cost of the scoring (see `profiles.get`): its image batch, resolution and steps; the size of the
            network is its own. None: `paper` for gennas proxies, else the proxy's own.
        device: where to train.

    Raises:
        InputError: an unknown stage, one whose output is no image map, or a network that cannot take the images.
    """
    # `fast` is made for the shrunken networks of search spaces: in a deep network running averages lag too far behind.
    usual = "paper" if isinstance(proxy, str) and proxy.startswith("gennas-") else None
    chosen = proxies.get(proxy, usual if profile is None else profile)
    if "cnn" not in chosen.kinds:
        raise InputError(f"proxy '{chosen.name}' does not score networks that take images")
    if count < 1:
        raise InputError(f"count is {count}; it takes a whole number from 1 up")
    check_device(device)
    batch = chosen.batch("cnn", inputs)
    images = batch.to(device).tensor
    # Dropout and the like draw from the global generators, which are the caller's.
    with conditions(), isolated(derive(seed, "network")):
        network = copy.deepcopy(module).to(device)
        taps = find_stages(network, images, count) if stages is None else _named(network, images, stages)
        # What only inspects a network may have left its mark on statistics: score a fresh copy.
        network = copy.deepcopy(module).to(device)
        network.requires_grad_(True)
        result = measure(chosen, TappedNetwork(network, taps), batch, seed, device)
    return NetworkScore(result.value, result.status, result.reason, tuple(taps), result.details)


class TappedNetwork(StagedNetwork):
    """A module whose forward gives the outputs of some of its submodules."""

    def __init__(self, module: nn.Module, taps: Sequence[Tap]) -> None:
        super().__init__()
        self.module = module
        self._taps = tuple(taps)

    @property
    def stage_channels(self) -> List[int]:
        return [tap.channels for tap in self._taps]

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        maps: Dict[str, torch.Tensor] = {}
        wanted = {tap.name for tap in self._taps}

        def keep(name: str, output: Any) -> None:
            maps[name] = output
            if len(maps) == len(wanted):
                raise _AllSeen  # what comes after the last stage has no part in the score

        with _watched(self.module, wanted, keep), contextlib.suppress(_AllSeen):
            self.module(x)
        return [maps[tap.name] for tap in self._taps]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        output = self.module(x)
        if not isinstance(output, torch.Tensor) or output.dim() != 2:
            raise NotImplementedError("the network does not give class scores (images, classes)")
        return output


def find_stages(module: nn.Module, batch: torch.Tensor, count: int = 3) -> List[Tap]:
    """The last feature map before each drop of resolution, and the last of all; the last `count` of them.

    Maps of one pixel, as global pooling gives them, are no stages.

    Args:
        module: it is run once, in evaluation mode.
        batch: images (images, 3, height, width).
    """
    seen: List[Tap] = []
    names = {name for name, _ in module.named_modules() if name}

    def note(name: str, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.dim() == 4:
            seen.append(Tap(name, *output.shape[1:]))

    _run(module, batch, names, note)
    levels: List[Tap] = []
    for tap in seen:
        if tap.height * tap.width <= 1:
            continue
        if levels and (tap.height, tap.width) == (levels[-1].height, levels[-1].width):
            levels[-1] = tap
        elif not levels or tap.height * tap.width < levels[-1].height * levels[-1].width:
            levels.append(tap)
    if not levels:
        raise InputError("no submodule of the network gives a feature map (images, channels, height, width)")
    return levels[-count:]


def _named(module: nn.Module, batch: torch.Tensor, stages: Sequence[str]) -> List[Tap]:
    known = [name for name, _ in module.named_modules() if name]
    if isinstance(stages, str) or not stages:
        raise InputError(f"stages is {stages!r}; it takes a list of names of submodules, such as ['{known[-1]}']")
    for name in stages:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, 8, 0.0) or known[:8]
            raise InputError(f"the network has no submodule '{name}'{suggest(name, nearest)}")
    if len(set(stages)) < len(stages):
        raise InputError("stages names a submodule twice")
    found: Dict[str, Any] = {}

    def note(name: str, output: Any) -> None:
        found[name] = output
        if len(found) == len(stages):
            raise _AllSeen

    _run(module, batch, set(stages), note)
    taps = []
    for name in stages:
        output = found.get(name)
        if not isinstance(output, torch.Tensor) or output.dim() != 4:
            what = "is not used" if name not in found else "gives no map (images, channels, height, width)"
            raise InputError(f"stage '{name}' {what} when the network sees images")
        taps.append(Tap(name, *output.shape[1:]))
    return taps


class _AllSeen(Exception):
    """Ends a forward that has shown all that is wanted of it."""


def _run(module: nn.Module, batch: torch.Tensor, names: Any, note: Any) -> None:
    module.eval()
    with torch.no_grad(), _watched(module, names, note), contextlib.suppress(_AllSeen):
        try:
            module(batch)
        except _AllSeen:
            raise
        except Exception as error:  # whatever the user's network raises
            size = "x".join(map(str, batch.shape))
            raise InputError(
                f"the network cannot take {size} images ({' '.join(str(error).split())[:200]}); name the stages, or "
                "choose a profile with another resolution"
            ) from error


@contextlib.contextmanager
def _watched(module: nn.Module, names: Any, note: Any) -> Iterator[None]:
    """Call ``note(name, output)`` whenever one of the named submodules has run.

    The hooks are there for the block only, so that the module can be copied at any other time.
    """

    def hook(name: str) -> Any:
        return lambda _module, _inputs, output: note(name, output)

    handles = [part.register_forward_hook(hook(name)) for name, part in module.named_modules() if name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
