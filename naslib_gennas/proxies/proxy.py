"""Proxy: one way to score a network without training it to the end, and the Score that it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional, Tuple, Union

import torch

from naslib_gennas.errors import InputError
from naslib_gennas.networks.copying import copied
from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.regression import batches
from naslib_gennas.regression.batches import Batch
from naslib_gennas.regression.profiles import Profile


@dataclass(frozen=True)
class Score:
    """What a proxy says of one network.

    Attributes:
        value: higher is better; -inf ranks below every finite score.
        status: "ok"; "diverged" (training or the measure was not finite); "untrainable" (no path from input to
            output); "failed" (the proxy or its worker broke down).
        reason: one line, empty where the status is "ok".
        details: what else the proxy recorded, ready for JSON (`losses`: evaluation-mode loss by step, ...).
    """

    value: float
    status: str = "ok"
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def finite_score(value: float, **details: Any) -> Score:
    """A `Score` of `value`; one that is not finite ranks last and says so."""
    if math.isfinite(value):
        return Score(value, details=details)
    return Score(-math.inf, "diverged", f"the measure is {value}", details)


#: Scores a network that it may use up: train it, change its weights, leave it in any mode.
ScoreFunction = Callable[[StagedNetwork, Batch, int], Score]


@dataclass(frozen=True)
class Proxy:
    """One way to score a network; make one with `get`.

    Attributes:
        name: what `--proxy` calls it.
        measure: ``measure(network, batch, seed) -> Score``; it may use the network up (see `score`).
        profile: the size of network and input batch that it scores.
        images: images in the input batch.
        settings: everything else that decides its scores, ready for JSON; with the profile it is the fingerprint.
        kinds: the kinds of search space ("cnn", "rnn") that it can score.
        inputs: the input batch that it is scored on unless the user names one (see `batches.load`).
        rungs: ``rungs(folder, least)``: the same scoring cut short to a half, a quarter, ... of its steps, as long as
            these are `least`; the shortest first, itself last, each going on where the one before it ended: trainings
            are kept in the folder. None: it cannot be cut short.
        sequences: sequences in the batch of a recurrent network; None: as many as images.
        least_images: with fewer images its score says nothing, and it refuses them.
        passes: what a score of a network of one's own costs, in training steps; None: it does not train.
    """

    name: str
    measure: ScoreFunction
    profile: Profile
    images: int = 16
    settings: Mapping[str, Any] = field(default_factory=dict)
    kinds: Tuple[str, ...] = ("cnn",)
    inputs: str = "photos"
    rungs: Optional[Callable[[Path, float], List[Proxy]]] = None
    sequences: Optional[int] = None
    least_images: int = 1
    passes: Optional[float] = None

    def count(self, kind: str) -> int:
        """Images in the input batch for networks of a kind ("cnn"), or sequences ("rnn")."""
        return self.sequences or self.images if kind == "rnn" else self.images

    def batch(
        self, kind: str, inputs: Union[str, Batch, None] = None, shape: Optional[Tuple[int, ...]] = None
    ) -> Batch:
        """The input batch for networks of a kind: images for "cnn", synthetic sequences for "rnn".

        Args:
            kind: "cnn" or "rnn".
            inputs: a name (see `batches.load`) or a batch; None: the proxy's own.
            shape: of one input; None: of an image of three channels at the profile's resolution.

        Raises:
            InputError: an unknown name, or fewer images than say anything.
        """
        if kind == "cnn" and self.images < self.least_images:
            raise InputError(
                f"proxy '{self.name}' compares images: it takes at least {self.least_images}; profile "
                f"'{self.profile.name}' has images: {self.images}"
            )
        if isinstance(inputs, Batch):
            return inputs
        if kind == "rnn":
            return batches.synthetic(self.count(kind))
        if shape is not None:
            return batches.of_shape(shape, inputs or self.inputs, self.count(kind))
        return batches.get(inputs or self.inputs, self.count(kind), self.profile.resolution)

    def score(self, network: StagedNetwork, inputs: Union[Batch, torch.Tensor], seed: int) -> Score:
        """Score a copy of `network`: the caller's network, its weights and its mode stay as they were."""
        batch = inputs if isinstance(inputs, Batch) else batches.given(inputs)
        return self.measure(copied(network), batch, seed)
