"""What the names of proxies mean that a study is given: proxies, proxies at a profile, files of them, aggregates."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence, Union

from naslib_gennas import proxies
from naslib_gennas.errors import InputError
from naslib_gennas.proxies import aggregation
from naslib_gennas.proxies.aggregation import Aggregate
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.regression import profiles


def asked_for(names: Sequence[str], profile: Any, initialise: Optional[str]) -> Dict[str, Union[Proxy, Aggregate]]:
    """What each name means; files stand for the proxies that they hold."""
    found: Dict[str, Union[Proxy, Aggregate]] = {}
    for name in names:
        name = name.strip()
        if not name:
            continue
        combined = aggregation.get(name)
        if combined is not None:
            for part in combined.parts:
                _simple_proxy(part, profile, initialise)
            found[name] = combined
        elif name.endswith(".py"):
            for member in proxies.load_file(name):
                found[member] = _simple_proxy(member, profile, initialise)
        else:
            found[name] = _simple_proxy(name, profile, initialise)
    if not found:
        raise InputError("no proxies are named; as in --proxies gennas-combo,synflow,naswot")
    return found


def _simple_proxy(name: str, profile: Any, initialise: Optional[str]) -> Proxy:
    """The proxy of ``NAME`` or ``NAME@PROFILE``; an @ may also be part of a task's name."""
    base, at, suffix = name.rpartition("@")
    if at and (suffix in profiles.PROFILES or suffix.endswith((".yaml", ".yml"))):
        name, profile = base, suffix
    chosen = proxies.get(name, profile)
    return chosen if initialise is None else proxies.get(name, chosen.profile.replace(initialise=initialise))


def computed(asked: Mapping[str, Union[Proxy, Aggregate]], profile: Any, initialise: Optional[str]) -> Dict[str, Proxy]:
    """The proxies to be computed: those asked for, and the parts of aggregates, each once."""
    found: Dict[str, Proxy] = {}
    for name, what in asked.items():
        if isinstance(what, Proxy):
            found[name] = what
        else:
            for part in what.parts:
                chosen = asked.get(part)
                found[part] = chosen if isinstance(chosen, Proxy) else _simple_proxy(part, profile, initialise)
    return found
