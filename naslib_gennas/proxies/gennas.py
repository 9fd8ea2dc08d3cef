"""`gennas-TASK`: minus the loss that a network reaches on a proxy task (section 3 of arXiv:2108.01899)."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from pathlib import Path
from typing import List, Optional

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies.proxy import Proxy, Score
from naslib_gennas.proxies.registry import proxy_family
from naslib_gennas.regression import profiles, tasks
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.maps import Regression, regress
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.regression.sequences import regress_sequences
from naslib_gennas.regression.tasks import ProxyTask

PREFIX = "gennas-"
#: What a look at the loss costs beside a training step, which goes backwards, too.
RECORD = 1 / 3


@proxy_family(PREFIX)
def by_name(rest: str, profile: Optional[Profile] = None) -> Proxy:
    """The proxy of a task's name or YAML file: ``gennas-combo``, ``gennas-sin1d-H``, ``gennas-my_task.yaml``."""
    return from_task(tasks.get(rest), profile)


def members() -> List[str]:
    return [PREFIX + name for name in tasks.names()]


by_name.members = members  # type: ignore[attr-defined]


def from_task(task: ProxyTask, profile: Optional[Profile] = None, folder: Optional[Path] = None) -> Proxy:
    """The proxy that scores by `task`, at a profile (None: the default one).

    Args:
        folder: where trainings are left and gone on with (see `regression.regress`); None: nowhere.
    """
    chosen = profile or profiles.get()
    settings = {"task": {key: value for key, value in dataclasses.asdict(task).items() if key != "name"}}
    train, count = (regress, chosen.images) if task.kind == "cnn" else (regress_sequences, chosen.sequences)

    def measure(network: StagedNetwork, batch: Batch, seed: int) -> Score:
        if folder is None or network.built_from is None:
            return to_score(train(network, batch.tensors, task, chosen, seed))
        origin = network.built_from
        text = f"{origin.space.name}\n{origin.space.format(origin.arch)}\n{batch.identity}\n{seed}"
        name = hashlib.sha256(text.encode()).hexdigest()[:24]
        return to_score(regress(network, batch.tensors, task, chosen, seed, kept=folder / f"{name}.pt"))

    def rungs(kept: Path, least: float) -> List[Proxy]:
        sizes = [chosen]
        while sizes[0].steps >= 2 * max(1, least):
            steps = sizes[0].steps // 2
            sizes.insert(0, chosen.replace(name=f"{chosen.name}-{steps}", steps=steps))
        return [from_task(task, size, kept) for size in sizes]

    # Noise is drawn for every record, too: a shorter training must record at the same steps.
    fixed = task.kind == "cnn" and chosen.steps_per_norm is None and chosen.average == 1
    return Proxy(
        PREFIX + task.name,
        measure,
        chosen,
        count or task.batch_size,
        settings,
        (task.kind,),
        rungs=rungs if fixed else None,
        passes=chosen.steps + chosen.steps / chosen.record_every * RECORD,
    )


def to_score(result: Regression) -> Score:
    """Minus the final loss; a training that diverged ranks last and says why."""
    details = {
        "losses": [[step, _json(loss)] for step, loss in result.losses],
        "trace": [_json(float(f"{loss:.6g}")) for loss in result.trace],
    }
    if not math.isfinite(result.loss):
        return Score(-math.inf, "diverged", result.reason, details)
    return Score(-result.loss, details=details)


def _json(loss: float) -> Optional[float]:
    return loss if math.isfinite(loss) else None
