"""The registry of proxies: `proxy` and its siblings register one, `get` finds one by name."""

from __future__ import annotations

import traceback
import types
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, TypeVar, Union

import torch

from naslib_gennas import reading
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.extensions import entry_points, import_all
from naslib_gennas.networks.language_model import with_words
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.proxy import Proxy, Score, finite_score
from naslib_gennas.regression import profiles
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.profiles import Profile

#: Makes a proxy from the rest of its name and a profile (None: the proxy's own default).
ProxyFactory = Callable[[str, Optional[Profile]], Proxy]
_FACTORIES: Dict[str, ProxyFactory] = {}
_FILES: Dict[Path, List[str]] = {}
_loaded = False

#: Another package's entry points of this group are imported, and register proxies with `proxy` or `proxy_family`.
GROUP = "naslib_gennas.proxies"

Measure = TypeVar("Measure", bound=Callable[..., Union[Score, float]])

# What the classical zero-cost proxies are computed on: the whole network, one batch of 64 images of 32x32.
WHOLE = Profile(name="whole", images=64)


def proxy(
    name: str, kinds: Tuple[str, ...] = ("cnn",), profile: Profile = WHOLE, inputs: str = "photos", **settings: Any
) -> Callable[[Measure], Measure]:
    """Register ``f(network, inputs, seed) -> float or Score`` (higher is better) as the proxy `name`.

    The function gets a network of its own that it may use up, in training mode, beside its inputs.

    Args:
        name: what `--proxy` calls it.
        kinds: the kinds of search space that it can score.
        profile: the size of network and input batch that it is usually computed on.
        inputs: the input batch that it is usually computed on.
        settings: what else decides its scores; part of a score's identity.
    """

    def register(function: Measure) -> Measure:
        def make(rest: str, asked: Optional[Profile]) -> Proxy:
            chosen = asked or profile

            def measure(network: StagedNetwork, batch: Batch, seed: int) -> Score:
                inputs = batch.tensor
                layout = network.memory_format if inputs.dim() == 4 else torch.preserve_format
                place = {"device": inputs.device, "memory_format": layout}
                dtype = network.dtype or getattr(torch, chosen.dtype)
                network = network.train().to(dtype=dtype, **place)
                inputs = inputs.to(dtype=dtype if inputs.is_floating_point() else inputs.dtype, **place)
                if not inputs.numel():  # of recurrent networks, which get no images
                    network, inputs = with_words(network, seed)
                value = function(network, inputs, seed)
                return value if isinstance(value, Score) else finite_score(float(value))

            return Proxy(name, measure, chosen, chosen.images or 64, settings, kinds, inputs)

        _register(name, make)
        return function

    return register


def register(name: str) -> Callable[[ProxyFactory], ProxyFactory]:
    """Register a factory for the proxy `name`, for proxies that a plain function under `proxy` cannot make."""

    def keep(make: ProxyFactory) -> ProxyFactory:
        _register(name, make)
        return make

    return keep


def proxy_family(prefix: str) -> Callable[[ProxyFactory], ProxyFactory]:
    """Register a factory for every proxy whose name starts with `prefix`, such as ``gennas-``."""

    def register(make: ProxyFactory) -> ProxyFactory:
        _register(prefix, make)
        return make

    return register


def _register(name: str, make: ProxyFactory) -> None:
    if not isinstance(name, str) or not name:
        raise ValueError(f"the name of a proxy is a text, not {name!r}")
    if name in _FACTORIES:
        raise ValueError(f"a proxy named '{name}' is registered already")
    _FACTORIES[name] = make


def names() -> List[str]:
    """Every proxy that `get` knows: those with a name of their own, and the members of each family."""
    _load()
    found: List[str] = []
    for name, make in _FACTORIES.items():
        members = getattr(make, "members", None)
        found.extend(members() if members else [name])
    return sorted(found)


def get(name: Union[str, Proxy], profile: Union[str, Mapping[str, Any], Profile, None] = None) -> Proxy:
    """The proxy of a name at a profile (None: its own default).

    Raises:
        InputError: no proxy has that name; the nearest one is suggested.
    """
    if isinstance(name, Proxy):
        return name
    _load()
    if name.endswith(".py"):
        members = load_file(name)
        if len(members) > 1:
            raise InputError(f"proxy file '{name}' has several proxies: {', '.join(members)}; one is needed here")
        name = members[0]
    asked = None if profile is None else profiles.get(profile)
    if name in _FACTORIES and not hasattr(_FACTORIES[name], "members"):
        return _FACTORIES[name]("", asked)
    for prefix, make in _FACTORIES.items():
        if prefix.endswith(":") and name in (prefix, prefix[:-1]):
            raise InputError(f"proxy '{name}' is incomplete; write {prefix}{getattr(make, 'rest', '...')}")
    # The longest prefix first: `gennas-fewshot:` is a family beside `gennas-`.
    for prefix, make in sorted(_FACTORIES.items(), key=lambda entry: -len(entry[0])):
        if hasattr(make, "members") and name.startswith(prefix) and len(name) > len(prefix):
            return make(name[len(prefix) :], asked)
    raise InputError(f"unknown proxy '{name}'{suggest(name, names())}")


def load_file(path: Union[str, Path]) -> List[str]:
    """Run a python file that registers proxies with `proxy`, and give their names.

    Raises:
        InputError: the file cannot be read, fails (the message names the line), or registers nothing.
    """
    _load()
    place = Path(path).resolve()
    if place not in _FILES:
        before = set(_FACTORIES)
        source = reading.text(path, "proxy file")
        # In no module that others could import: so it travels to worker processes as code.
        module = types.ModuleType(f"gennas_file_{place.stem}")
        try:
            exec(compile(source, str(place), "exec"), module.__dict__)
        except SyntaxError as error:
            raise InputError(f"proxy file '{path}', line {error.lineno}: {error.msg}") from None
        except (Exception, SystemExit) as error:  # whatever the user's code raises
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(place)]
            line = f", line {frames[-1].lineno}" if frames else ""
            for name in set(_FACTORIES) - before:
                del _FACTORIES[name]
            raise InputError(f"proxy file '{path}'{line}: {type(error).__name__}: {error}") from None
        found = sorted(set(_FACTORIES) - before)
        if not found:
            raise InputError(f"proxy file '{path}' registers no proxy; it needs a function under @proxy(\"name\")")
        _FILES[place] = found
    return list(_FILES[place])


def _load() -> None:
    """Import every file of this package, and other packages' entry points, once: each registers what it holds."""
    global _loaded
    if _loaded:
        return
    import_all("naslib_gennas.proxies")
    _loaded = True
    for entry in entry_points(GROUP).values():
        try:
            entry.load()
        except Exception as error:  # another package's fault must not stop this one
            warnings.warn(
                f"proxies of '{entry.value}' are left out: {type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=3,
            )
