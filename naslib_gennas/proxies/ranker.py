"""A ranker from 10 to 50 labels: a Gaussian process over an architecture's structure around its label-free score.

The label-free score (`gennas-plus`) is the process's mean, so without labels, or far from all of them, the ranking is
the label-free one. What labels add is learned from what the score hardly sees: which operations lie on the network's
paths, how long these are, how many parameters it has. docs/notebook/speed.md has what was tried and how it did.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.stats import rankdata

from naslib_gennas.errors import InputError
from naslib_gennas.networks import structure
from naslib_gennas.networks.copying import copied
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.proxies import Score, get
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.profiles import Profile

#: The name of the label-free score among the features.
PRIOR = "gennas-plus"
#: How much of the labels' standardised ranks one standard deviation of the label-free score is taken to explain.
SLOPE = 0.8
#: log of a hyperparameter -> mean and standard deviation of what it is taken to be before any label is seen: the spread
#: and the length scale of what structure adds, the noise, and how far the slope may be from `SLOPE`.
HYPERPRIORS: Mapping[str, Tuple[float, float]] = {
    "spread": (-1.0, 0.4),
    "length": (0.0, 0.3),
    "noise": (-0.9, 0.3),
    "slope": (-1.5, 0.4),
}

#: By name; None where a network does not have one.
Features = Mapping[str, Optional[float]]


def settings() -> Dict[str, Any]:
    """What decides a ranker besides its labels and the profile, ready for JSON."""
    return {"prior": PRIOR, "slope": SLOPE, "hyperpriors": {name: list(pair) for name, pair in HYPERPRIORS.items()}}


# -------------------------------------------------------------------------------------------------------- what is known


def describe(network: StagedNetwork, batch: Batch, seed: int, profile: Profile) -> Score:
    """The label-free score of a network, with the features of the ranker as its details; the network is used up.

    Features that a network does not have (AZ-NAS's progressivity of one without blocks) are None. A network without
    class scores has the regression loss of `gennas-combo` alone as its label-free score.
    """
    try:
        found = get(PRIOR, profile).measure(copied(network), batch, seed)
    except NotImplementedError:
        found = get("gennas-combo", profile).measure(copied(network), batch, seed)
    if found.status != "ok":
        return found
    progress = math.nan
    if network.dimensions == 2:
        try:
            progress = get("az_progressivity", profile).measure(copied(network), batch, seed).value
        except ValueError:  # it has no blocks to compare
            pass
    features = {
        PRIOR: found.value,
        "az_progressivity": progress if math.isfinite(progress) else None,
        "log parameters": math.log(sum(parameter.numel() for parameter in network.parameters())),
        **structure.read(network, batch.tensor),
    }
    return Score(found.value, details=features)


# ----------------------------------------------------------------------------------------------------------- the ranker


@dataclass(frozen=True)
class Ranker:
    """A fitted Gaussian process, as numbers alone; make one with `fit`.

    Attributes:
        names: the features that tell the labelled architectures apart.
        centre, scale: of each of them, over the labelled architectures; the last entry is the label-free score's.
        points: the labelled architectures, standardised, likewise.
        weights: of each labelled architecture in a prediction.
        hyperparameters: by the names of `HYPERPRIORS`.
    """

    names: List[str]
    centre: List[float]
    scale: List[float]
    points: List[List[float]]
    weights: List[float]
    hyperparameters: Dict[str, float]

    def predict(self, rows: Sequence[Features]) -> np.ndarray:
        """The standardised rank that each architecture is expected to have: (architectures,), higher is better."""
        x = _standardised(_matrix(rows, self.names), np.array(self.centre), np.array(self.scale))
        points = np.array(self.points)
        return np.asarray(
            SLOPE * x[:, -1] + _kernel(x, points, self.hyperparameters) @ np.array(self.weights), dtype=float
        )


def fit(rows: Sequence[Features], values: Sequence[float]) -> Ranker:
    """Fit the ranker to labelled architectures; their order does not matter.

    The targets are the values' standardised ranks. Hyperparameters are those of the highest marginal likelihood times
    `HYPERPRIORS`.

    Args:
        rows: the details of `describe`, one architecture each.
        values: their labels, higher is better; at least two different ones.

    Raises:
        InputError: no two different values.
    """
    target = rankdata(values)
    if len(rows) != len(target) or not len(target) or not target.std():
        raise InputError(f"{len(rows)} architectures, {len(target)} labels: a ranker takes two different ones or more")
    target = (target - target.mean()) / target.std()
    names = sorted({name for row in rows for name in row if name != PRIOR})
    matrix = _matrix(rows, names)
    known = np.isfinite(matrix)
    centre = np.array([column[there].mean() if there.any() else 0.0 for column, there in zip(matrix.T, known.T)])
    spread = np.where(known, matrix - centre, 0.0).std(0)
    # Features that are the same for all labelled architectures say nothing; the label-free score stays, come what may.
    used = [index for index in range(len(names)) if spread[index] > 1e-9 * (1 + abs(centre[index]))] + [len(names)]
    names, centre = [names[index] for index in used[:-1]], centre[used]
    # Features count as one together, however many there are.
    scale = np.where(spread[used] > 0, spread[used], 1.0) * np.array([math.sqrt(len(names))] * len(names) + [1.0])
    points = _standardised(matrix[:, used], centre, scale)
    rest = target - SLOPE * points[:, -1]
    means, deviations = np.array(list(HYPERPRIORS.values())).T

    def solved(logs: np.ndarray) -> Tuple[Any, np.ndarray]:
        chosen = dict(zip(HYPERPRIORS, np.exp(logs).tolist()))
        factor = cho_factor(_kernel(points, points, chosen) + chosen["noise"] ** 2 * np.eye(len(rest)), lower=True)
        return factor, cho_solve(factor, rest)

    def unlikely(logs: np.ndarray) -> float:
        factor, weights = solved(logs)
        prior = float((((logs - means) / deviations) ** 2).sum()) / 2
        return float(rest @ weights) / 2 + float(np.log(np.diag(factor[0])).sum()) + prior

    bounds = list(zip(means - 4 * deviations, means + 4 * deviations))
    best = minimize(unlikely, means, method="L-BFGS-B", bounds=bounds, options={"maxiter": 30}).x
    weights = solved(best)[1]
    hyperparameters = dict(zip(HYPERPRIORS, np.exp(best).tolist()))
    return Ranker(names, centre.tolist(), scale.tolist(), points.tolist(), weights.tolist(), hyperparameters)


def _matrix(rows: Sequence[Features], names: Sequence[str]) -> np.ndarray:
    """(architectures, features), the label-free score last; an operation that a network lacks is there 0 times."""
    return np.array([[row.get(name, 0.0) for name in (*names, PRIOR)] for row in rows], dtype=float)


def _standardised(matrix: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(np.isfinite(matrix), (matrix - centre) / scale, 0.0))


def _kernel(a: np.ndarray, b: np.ndarray, hyperparameters: Mapping[str, float]) -> np.ndarray:
    """Covariance of what is added to the mean: a constant, another slope, and a smooth function of the structure."""
    x, y = a[:, :-1], b[:, :-1]
    distances = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T
    smooth = np.exp(-np.maximum(distances, 0.0) / (2 * hyperparameters["length"] ** 2))
    slope = hyperparameters["slope"] ** 2 * np.outer(a[:, -1], b[:, -1])
    return np.asarray(1.0 + slope + hyperparameters["spread"] ** 2 * smooth)
