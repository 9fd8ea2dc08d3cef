"""Several networks side by side: what someone who chooses a backbone wants to see."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from scipy import stats

from naslib_gennas.errors import InputError, check_whole
from naslib_gennas.networks import sources
from naslib_gennas.randomness import derive, isolated
from naslib_gennas.scoring.network import Description, Network, NetworkScore, describe_network, score_network


@dataclass(frozen=True)
class Row:
    """One network of a ranking.

    Attributes:
        network: its name.
        score: the mean over the seeds; -inf where it could not be scored with one of them.
        interval: 95% of that mean, by Student's t; None for one seed.
        status, reason: the worst of the seeds'; "refused" of a network that cannot be scored at all.
        scores: one a seed.
        parameters, flops, reached: see `Description`; 0 where a refused network was not seen so far.
        stages: of each, the call and its map's size.
        notes: what was assumed or left out.
    """

    network: str
    score: float
    interval: Optional[Tuple[float, float]]
    status: str
    reason: str
    scores: Tuple[float, ...]
    parameters: int
    flops: float
    reached: float
    stages: Tuple[str, ...]
    notes: Tuple[str, ...]


def rank_networks(
    networks: Sequence[Network],
    seeds: int = 1,
    *,
    seed: int = 0,
    count: int = 3,
    resolution: Optional[int] = None,
    progress: Optional[Callable[[str], None]] = None,
    **scoring: Any,
) -> List[Row]:
    """Score networks under the same settings, the best first.

    All are scored with the same number of stages, the largest that every one of them has, and on images of one size,
    the least that suits them all. Weights of networks that are given by name are drawn anew for every seed. A network
    that cannot be scored is last, with the reason, and the others are ranked.

    Args:
        networks: see `score_network`.
        seeds: how many, from `seed` up.
        progress: told of every network that is begun.
        scoring: the further arguments of `score_network`.

    Raises:
        InputError: a name is that of no network, or none of the networks can be scored; the name comes first.
    """
    check_whole("seeds", seeds)
    names = _names(networks)
    looked = {key: value for key, value in scoring.items() if key in ("proxy", "inputs", "profile")}
    found: Dict[str, Description] = {}
    refused: Dict[str, InputError] = {}
    for name, network in zip(names, networks):
        made = _named(name, _made, network, seed)
        try:
            found[name] = describe_network(made, count=count, resolution=resolution, **looked)
        except InputError as error:
            refused[name] = error
    fewest = max(1, min((len(described.stages) for described in found.values()), default=1))
    sides = [described.resolution for described in found.values() if described.resolution]
    common = resolution or (max(sides) if sides else None)
    rows = []
    for name, network in zip(names, networks):
        if name in refused:
            continue
        if progress is not None:
            progress(name)
        side = common if found[name].resolution else None
        try:
            results = [
                score_network(_made(network, one), count=fewest, seed=one, resolution=side, **scoring)
                for one in range(seed, seed + seeds)
            ]
            rows.append(_row(name, found[name], results))
        except InputError as error:
            refused[name] = error
    if not rows:
        first = next(name for name in names if name in refused)
        raise InputError(f"{first}: {refused[first]}")
    rows.sort(key=lambda row: -row.score)
    return rows + [_refused(name, found.get(name), refused[name]) for name in names if name in refused]


def _names(networks: Sequence[Network]) -> List[str]:
    names: List[str] = []
    for network in networks:
        name = network if isinstance(network, str) else getattr(network, "__name__", type(network).__name__)
        names.append(name if name not in names else f"{name} ({names.count(name) + 1})")
    return names


def _made(network: Network, seed: int) -> Network:
    """The network of a name with the weights of a seed."""
    if not isinstance(network, str):
        return network
    with isolated(derive(seed, "network")):
        return sources.load(network)


def _named(name: str, function: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    try:
        return function(*arguments, **more)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _row(name: str, described: Description, results: Sequence[NetworkScore]) -> Row:
    scores = [result.score for result in results]
    bad = next((result for result in results if result.status != "ok"), results[0])
    mean, interval = (-math.inf if bad.status != "ok" else statistics.fmean(scores)), None
    if len(scores) > 1 and math.isfinite(mean):
        width = float(stats.t.ppf(0.975, len(scores) - 1)) * statistics.stdev(scores) / math.sqrt(len(scores))
        interval = (mean - width, mean + width)
    first = results[0]
    return Row(
        name,
        mean,
        interval,
        bad.status,
        bad.reason,
        tuple(scores),
        described.parameters,
        described.flops,
        first.reached,
        tuple(map(str, first.stages)),
        first.notes,
    )


def _refused(name: str, described: Optional[Description], error: InputError) -> Row:
    parameters, flops = (described.parameters, described.flops) if described is not None else (0, 0.0)
    return Row(name, -math.inf, None, "refused", str(error), (), parameters, flops, 0.0, (), ())


def to_json(rows: Sequence[Row]) -> Dict[str, Any]:
    """Rows ready for JSON."""
    return {"networks": [asdict(row) for row in rows]}
