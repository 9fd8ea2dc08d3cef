"""`gennas-plus`: short regressions and what the untrained network shows, as one score of one network."""

from __future__ import annotations

import math
from typing import Callable, List, Optional, Sequence, Tuple

import torch

from naslib_gennas.networks import structure
from naslib_gennas.networks.copying import copied
from naslib_gennas.networks.darts import CellNetwork
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies import swap_cell
from naslib_gennas.proxies.activations import images_of, watch
from naslib_gennas.proxies.gennas import RECORD
from naslib_gennas.proxies.meco import meco
from naslib_gennas.proxies.proxy import Proxy, Score
from naslib_gennas.proxies.registry import register
from naslib_gennas.proxies.swap import swap
from naslib_gennas.proxies.zen import zen
from naslib_gennas.randomness import derive
from naslib_gennas.regression import profiles, tasks
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.maps import Regression, regress
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.regression.sequences import regress_sequences

#: The proxy tasks that a network of a fixed skeleton is trained on, each from the same initial weights, onto signals of
#: its own drawing.
TASKS = ("combo", "combo", "single")
#: About so many training steps in all: three trainings of 24 steps, or one of 60. Deep networks are trained for longer,
#: and a second time tells no more of them.
STEPS = 72
#: What one unit of each counts beside one unit of the mean loss (found on three spaces, see docs/notebook/speed.md).
WEIGHTS = {"zen": 1 / 400, "log meco": 0.03, "longest path": 0.004, "shortest path": -0.006, "log2 patterns": 0.6}
#: Images that activation patterns are told apart by: more would tell nearly all units of these networks apart.
PATTERN_IMAGES = 8
#: What one unit of the logarithm of the normal cell's patterns counts where no training is made.
CELL_WEIGHT = 0.6

#: Steps of the one training where networks differ in width or depth.
SHORT = 24
#: What one unit of log units counts beside one of log progress (docs/leaderboard.md says how it was found).
UNITS_WEIGHT = 0.7
#: Progress below this is none: its logarithm would be that of rounding.
LEAST_PROGRESS = 1e-3

#: Recurrent networks have no feature maps to look at untrained.
SEQUENCE_TASKS = ("nlp-search", "nlp-search", "nlp-search")


@register("gennas-plus")
def gennas_plus(rest: str, asked: Optional[Profile] = None) -> Proxy:
    """How fast a network learns a regression (arXiv:2108.01899), beside what its space leaves open.

    Networks of one skeleton (`SearchSpace.fixed_skeleton`) differ in their cells alone: minus the mean of one to three
    regression losses, plus what the untrained network shows, by `WEIGHTS`. The Zen-score (arXiv:2102.01063) says how
    expressive it is, MeCo (NeurIPS 2023) how independent its channels are, the distinct activation patterns of eight
    images (arXiv:2403.04161) whether it tells inputs apart, and the convolutions on its longest and on its shortest
    path whether it is deep and has shortcuts: they err in different ways. Networks of DARTS are so deep that a training
    that one could wait for tells less of them than all that, and only blurs it: they are not trained, and the patterns
    of their normal cell alone, counted as `swap-cell` counts them, do instead.

    Networks of all other spaces differ in width and depth, too: log progress + 0.7 log units. Progress is the logarithm
    of the training-mode loss after a third of the steps over the loss after all 24, by the batch's own statistics,
    since running averages of deep networks lag behind for longer than that; units are those of all activations up to
    the last stage, for one image.

    Of a recurrent network minus the highest of three regression losses. It needs no other architectures to compare
    with, unlike a sum of ranks.
    """
    chosen = asked or profiles.get()
    settings = {
        "tasks": list(TASKS),
        "steps": STEPS,
        "weights": WEIGHTS,
        "pattern_images": PATTERN_IMAGES,
        "cell": CELL_WEIGHT,
        "short": [TASKS[0], min(SHORT, chosen.steps)],
        "units": UNITS_WEIGHT,
        "sequence_tasks": list(SEQUENCE_TASKS),
    }

    def measure(network: StagedNetwork, batch: Batch, seed: int) -> Score:
        network = network.to(network.dtype) if network.dtype else network
        if isinstance(batch.tensors, torch.Tensor) and not batch.tensors.numel():
            return _of_sequences(network, batch.tensor, seed, chosen)
        if network.fixed_skeleton:
            return _of_cells(network, batch.tensor, seed, chosen)
        return _of_sizes(network, batch, seed, chosen)

    sequences = chosen.sequences or tasks.get(SEQUENCE_TASKS[0]).batch_size
    return Proxy(
        *("gennas-plus", measure, chosen, chosen.images or 16, settings, ("cnn", "rnn")),
        sequences=sequences,
        least_images=2,
        passes=min(SHORT, chosen.steps) + 2 * RECORD,
    )


def _of_cells(network: StagedNetwork, inputs: torch.Tensor, seed: int, profile: Profile) -> Score:
    """Minus the mean loss, plus what the network shows before it is trained."""
    names = _trainings(network, profile)
    losses, diverged = _losses(regress, names, network, inputs, seed, profile)
    if diverged is not None:
        return diverged
    untrained = {
        "meco": float(meco(copied(network).train(), inputs, seed)),
        "zen": float(zen(copied(network).train(), inputs, seed)),
    }
    try:
        untrained["patterns"] = float(swap(network.train(), inputs[:PATTERN_IMAGES], seed))
    except ValueError as error:  # a part that cannot be measured has no number that could stand for it
        return Score(-math.inf, "failed", f"activation patterns cannot be counted: {error}")
    if isinstance(network, CellNetwork) and not names:
        counts = swap_cell.patterns(swap_cell.normal_cell(network), inputs[:PATTERN_IMAGES], seed)
        untrained["cell patterns"] = sum(counts) / len(counts)
    for name, number in untrained.items():
        if not math.isfinite(number):
            return Score(-math.inf, "diverged", f"{name} is {number}")
    made_of = structure.read(network, inputs)
    paths = {name: made_of[name] for name in ("longest path", "shortest path")}
    parts = {
        **paths,
        "zen": untrained["zen"],
        # MeCo is a sum of least eigenvalues, which rounding can make a little negative.
        "log meco": math.log(max(untrained["meco"], 1e-9)),
        "log2 patterns": math.log2(untrained["patterns"]),
    }
    value = sum(WEIGHTS[name] * part for name, part in parts.items())
    if names:
        value -= sum(losses) / len(losses)
    else:
        value += CELL_WEIGHT * math.log(max(untrained["cell patterns"], 1.0))
    return Score(value, details={"regressions": losses, **untrained, **paths})


def _trainings(network: StagedNetwork, profile: Profile) -> Tuple[str, ...]:
    """The tasks of as many trainings as fit into `STEPS`, at least one; none of DARTS, see docs/leaderboard.md."""
    if isinstance(network, CellNetwork) and profile.steps_per_norm is not None:
        return ()
    return TASKS[: max(1, round(STEPS / profile.steps_for(network.norm_depth)))]


def _of_sizes(network: StagedNetwork, batch: Batch, seed: int, profile: Profile) -> Score:
    """log progress + `UNITS_WEIGHT` log units."""
    counts: List[int] = []
    inputs = batch.of_dtype(network.dtype)
    untrained = copied(network).train()
    try:
        images = images_of(untrained, inputs)
        watch(untrained, images, lambda: untrained(inputs), lambda pattern: counts.append(pattern.shape[1]))
    except ValueError as error:  # a part that cannot be measured has no number that could stand for it
        return Score(-math.inf, "failed", str(error))
    units, steps = sum(counts), min(SHORT, profile.steps)
    short = profile.replace(
        steps=steps, steps_per_norm=None, record_every=steps, average=1, statistics="batch", relative=1.0
    )
    trained = regress(network, inputs, tasks.get(TASKS[0]), short, seed)
    if not 0 < trained.loss < math.inf:
        reason = trained.reason or f"the loss was {trained.loss}"
        return Score(-math.inf, "diverged", f"training on {TASKS[0]}: {reason}")
    progress = -math.log(trained.loss)
    value = math.log(max(progress, LEAST_PROGRESS)) + UNITS_WEIGHT * math.log(units)
    return Score(value, details={"progress": progress, "units": units})


def _of_sequences(network: StagedNetwork, inputs: torch.Tensor, seed: int, profile: Profile) -> Score:
    """Minus the highest of the losses: a good recurrent cell learns all of them."""
    losses, diverged = _losses(regress_sequences, SEQUENCE_TASKS, network, inputs, seed, profile)
    return diverged or Score(-max(losses), details={"regressions": losses})


def _losses(
    train: Callable[..., Regression],
    names: Sequence[str],
    network: StagedNetwork,
    inputs: torch.Tensor,
    seed: int,
    profile: Profile,
) -> Tuple[List[float], Optional[Score]]:
    """The loss of a training on each task, from the same initial weights; the score of a network that diverged."""
    losses: List[float] = []
    for index, name in enumerate(names):
        # The first training is that of the plain proxy of its task.
        drawn = derive(seed, "plus", index) if index else seed
        trained = train(copied(network), inputs, tasks.get(name), profile, drawn)
        if not math.isfinite(trained.loss):
            return losses, Score(-math.inf, "diverged", f"training {index + 1}, on {name}: {trained.reason}")
        losses.append(trained.loss)
    return losses, None
