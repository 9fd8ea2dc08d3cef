"""The registry of proxies: `proxy` and its siblings register one, `get` finds one by name."""

from __future__ import annotations

import types
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, TypeVar, Union

import torch

from naslib_gennas import user_code
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
# Module and name of the function that each is made of: the same one may be registered again, after a change.
_OWNERS: Dict[str, Tuple[str, str]] = {}
# The modules that files of the user are run as, and the proxies that they register.
_FILES: Dict[Path, Tuple[types.ModuleType, List[str]]] = {}
_loaded = False

#: The proxy where none is asked for (docs/leaderboard.md says why it is this one).
USUAL = "gennas-plus"
#: Another package's entry points of this group are imported, and register proxies with `proxy` or `proxy_family`.
GROUP = "naslib_gennas.proxies"

Measure = TypeVar("Measure", bound=Callable[..., Union[Score, float]])

# What the classical zero-cost proxies are computed on: the whole network, one batch of 64 images of 32x32.
WHOLE = Profile(name="whole", images=64)


def proxy(
    name: str,
    kinds: Tuple[str, ...] = ("cnn",),
    profile: Profile = WHOLE,
    inputs: str = "photos",
    least_images: int = 1,
    **settings: Any,
) -> Callable[[Measure], Measure]:
    """Register ``f(network, inputs, seed) -> float or Score`` (higher is better) as the proxy `name`.

    The function gets a network of its own that it may use up, in training mode, beside its inputs.

    Args:
        name: what `--proxy` calls it.
        kinds: the kinds of search space that it can score.
        profile: the size of network and input batch that it is usually computed on.
        inputs: the input batch that it is usually computed on.
        least_images: with fewer it says nothing: 2 where it compares images.
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

            return Proxy(
                *(name, measure, chosen, chosen.images or 64, settings, kinds, inputs), least_images=least_images
            )

        _register(name, make, function)
        return function

    return register


def register(name: str) -> Callable[[ProxyFactory], ProxyFactory]:
    """Register a factory for the proxy `name`, for proxies that a plain function under `proxy` cannot make."""

    def keep(make: ProxyFactory) -> ProxyFactory:
        _register(name, make, make)
        return make

    return keep


def proxy_family(prefix: str) -> Callable[[ProxyFactory], ProxyFactory]:
    """Register a factory for every proxy whose name starts with `prefix`, such as ``gennas-``."""

    def register(make: ProxyFactory) -> ProxyFactory:
        _register(prefix, make, make)
        return make

    return register


def _register(name: str, make: ProxyFactory, function: Callable[..., Any]) -> None:
    if not isinstance(name, str) or not name:
        raise ValueError(f"the name of a proxy is a text, not {name!r}")
    owner = (getattr(function, "__module__", ""), getattr(function, "__qualname__", ""))
    if name in _FACTORIES and _OWNERS[name] != owner:
        raise ValueError(f"a proxy named '{name}' is registered already")
    _FACTORIES[name], _OWNERS[name] = make, owner


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
        InputError: it is no name, or no proxy has it; the nearest one is suggested.
    """
    if isinstance(name, Proxy):
        return name
    if not isinstance(name, str):
        raise InputError(f"proxy is {name!r}; it takes a proxy's name, such as '{USUAL}'")
    _load()
    name = named(name)
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


def named(name: str) -> str:
    """The name of a proxy as it is; of a file with one proxy, the name of that.

    Raises:
        InputError: see `load_file`; or the file has several proxies.
    """
    if not name.endswith(".py"):
        return name
    members = load_file(name)
    if len(members) > 1:
        raise InputError(f"proxy file '{name}' has several proxies: {', '.join(members)}; one is needed here")
    return members[0]


def load_file(path: Union[str, Path]) -> List[str]:
    """Run a Python file that registers proxies with `proxy`, and give their names; see `user_code.load`.

    Raises:
        InputError: the file cannot be read, fails (the message names the line), or registers nothing.
    """
    _load()
    place = Path(path).resolve()
    before = dict(_FACTORIES)
    try:
        module = user_code.load(path, "proxy")
    except BaseException:
        _FACTORIES.clear()
        _FACTORIES.update(before)
        raise
    run, names = _FILES.get(place, (None, []))
    if run is not module:
        for name in names:
            if _FACTORIES.get(name) is before.get(name):  # it was in the file, and is there no longer
                del _FACTORIES[name]
        names = sorted(name for name in _FACTORIES if _OWNERS[name][0] == module.__name__ or name not in before)
        if not names:
            raise InputError(f"proxy file '{path}' registers no proxy; it needs a function under @proxy(\"name\")")
        _FILES[place] = module, names
    return list(names)


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
