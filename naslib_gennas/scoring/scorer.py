"""Score architectures of a search space by name: what `gennas score` and `naslib_gennas.score` do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional, Union

from naslib_gennas import proxies, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.proxies.proxy import Proxy
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.scoring import engine
from naslib_gennas.scoring.engine import Record
from naslib_gennas.scoring.store import Store
from naslib_gennas.spaces.space import SearchSpace

#: The proxy for a kind of search space, where none is asked for.
USUAL_PROXY = {"cnn": "gennas-combo", "rnn": "gennas-nlp-combo"}


def proxy_for(
    space: SearchSpace[Any],
    proxy: Union[str, Proxy, None] = None,
    profile: Union[str, Mapping[str, Any], Profile, None] = None,
) -> Proxy:
    """The proxy of a name at a profile; None: the usual one of the space's kind."""
    if isinstance(proxy, Proxy) and profile is not None:
        raise InputError(f"proxy '{proxy.name}' has a profile of its own; give its name to score at another")
    return proxies.get(proxy if proxy is not None else USUAL_PROXY[space.kind], profile)


def score(
    space: Union[str, SearchSpace[Any]],
    arch: Any,
    proxy: Union[str, Proxy, None] = None,
    *,
    inputs: Optional[str] = None,
    seed: int = 0,
    profile: Union[str, Mapping[str, Any], Profile, None] = None,
    device: str = "cpu",
    store: Union[str, Path, Store, None] = None,
) -> Record:
    """Score one architecture without labels.

    >>> score("nasbench201", "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|").status
    'untrainable'

    Args:
        space: a search space or its name.
        arch: in the benchmark's notation.
        proxy: a proxy or its name; None: `gennas-combo` (`gennas-nlp-combo` for recurrent networks).
        inputs: the input batch (see `batches.load`); None: the proxy's own, photos for most.
        seed: the same seed gives the same score.
        profile: size and cost of the scoring (see `profiles.get`).
        device: where to train.
        store: a file to keep the score in, or to find it in; None: neither.

    Returns:
        A record with the score (higher is better), the status and the core-seconds that it took.

    Raises:
        InputError: an unknown name, or a malformed architecture.
    """
    found = spaces.get(space)
    chosen = proxy_for(found, proxy, profile)
    return engine.score_one(found, arch, chosen, inputs, seed, device, store)
