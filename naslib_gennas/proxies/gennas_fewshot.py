"""`gennas-fewshot:LABELS`: `gennas-plus`, corrected by a ranker that is fitted to a few labelled architectures."""

from __future__ import annotations

import dataclasses
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional

from naslib_gennas import files, spaces, truth
from naslib_gennas.errors import InputError
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies import ranker as rankers
from naslib_gennas.proxies.measure import measure_architecture
from naslib_gennas.proxies.proxy import Proxy, Score, finite_score
from naslib_gennas.proxies.ranker import Ranker
from naslib_gennas.proxies.registry import get, proxy_family
from naslib_gennas.regression import profiles
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.truth import labels
from naslib_gennas.truth.labels import Labels

PREFIX = "gennas-fewshot:"
#: More labels than this are for other methods; each costs a score, and fitting takes their number to the third power.
MOST = 1000


@proxy_family(PREFIX)
def from_file(rest: str, profile: Optional[Profile] = None) -> Proxy:
    """The proxy that learns from the labels of a file: ``gennas-fewshot:labels.csv``, ``gennas-fewshot:FILE:COLUMN``.

    The file is a table as `truth` reads them; its first use scores the labelled architectures, which is kept.
    Recurrent networks keep their label-free score: what their cells are made of did not help (docs/howto/few_labels).

    Raises:
        InputError: no such file; and once an architecture is scored: the file's content (see `labels.read`), fewer
            than 5 architectures that can be scored, a network that is not of a search space.
    """
    name, column = truth.split(rest)
    path = Path(name).resolve()
    if not path.is_file():
        raise InputError(f"proxy '{PREFIX}{rest}': no file '{name}' with labels; write {PREFIX}FILE or FILE:COLUMN")
    spec, digest = f"{path}:{column}" if column else str(path), _digest(path)
    chosen = profile or profiles.get()
    free, kinds = get(rankers.PRIOR, chosen), described(chosen).kinds

    def measure(network: StagedNetwork, batch: Batch, seed: int) -> Score:
        if network.built_from is None:
            raise InputError(f"{PREFIX}{rest} needs an architecture of a search space, not a network of your own")
        space = network.built_from.space
        known = _read(spec, digest, space)
        if space.kind not in kinds:
            return free.measure(network, batch, seed)
        ranker = _fitted(space, known, batch, seed, chosen)
        return ranked(ranker, rankers.describe(network, batch, seed, chosen))

    settings = {"labels": digest, "column": column, "ranker": rankers.settings()}
    return dataclasses.replace(free, name=PREFIX + rest, measure=measure, settings=settings)


from_file.members = list  # type: ignore[attr-defined]
from_file.rest = "FILE or FILE:COLUMN of labels"  # type: ignore[attr-defined]


def described(profile: Profile) -> Proxy:
    """The label-free score as a proxy, its details what a ranker is fitted on and asked about."""

    def measure(network: StagedNetwork, batch: Batch, seed: int) -> Score:
        return rankers.describe(network, batch, seed, profile)

    return Proxy(PREFIX[:-1], measure, profile, profile.images or 16, {"ranker": rankers.settings()})


def ranked(ranker: Ranker, found: Score) -> Score:
    """What a ranker makes of a network that `ranker.describe` has described."""
    if found.status != "ok":
        return found
    details = {name: value for name, value in found.details.items() if value is not None}
    return finite_score(float(ranker.predict([found.details])[0]), **details)


def _fitted(space: SearchSpace[Any], known: Labels, batch: Batch, seed: int, profile: Profile) -> Ranker:
    """The ranker of these labels; fitted once on a machine, then read from a file."""
    device = batch.device
    settings = {
        "space": spaces.identity(space),
        "labels": sorted(zip(known.archs, known.values)),
        "profile": profile.identity(),
        "inputs": batch.identity,
        "images": len(batch),
        "device": device.type,
        "seed": seed,
        "ranker": rankers.settings(),
    }

    def make() -> Any:
        rows, values = [], []
        for text, value in sorted(zip(known.archs, known.values)):
            arch = space.parse(text)
            if space.untrainable(arch) is None:
                score = measure_architecture(space, arch, described(profile), batch, seed, device)
                if score.status == "ok":
                    rows.append(score.details)
                    values.append(value)
        if len(rows) < labels.FEWEST or len(set(values)) == 1:
            raise InputError(
                f"{known.name}: {len(rows)} of the {len(known.archs)} architectures can be scored; at least "
                f"{labels.FEWEST} of different value are needed"
            )
        return dataclasses.asdict(rankers.fit(rows, values))

    return Ranker(**files.once("rankers", settings, make))


@lru_cache(maxsize=4)
def _read(spec: str, digest: str, space: SearchSpace[Any]) -> Labels:
    known = labels.read(spec, space)
    path, _ = truth.split(spec)
    if _digest(Path(path)) != digest:
        raise InputError(f"{known.name}: the file has changed since the proxy was made; start again")
    if len(known.archs) > MOST:
        raise InputError(f"{known.name}: {len(known.archs):,} architectures; {PREFIX} takes up to {MOST:,}")
    return known


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"labels '{path}' cannot be read: {error.strerror}") from None
