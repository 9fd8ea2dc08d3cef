"""Our measures in NASLib's registry, so that ZeroCost, Bananas and the zero-cost runner take them like their own."""

from __future__ import annotations

import functools
import importlib
from typing import Any, List, Tuple

import torch

from naslib_gennas.errors import InputError
from naslib_gennas.plugin import compat
from naslib_gennas.plugin.scoring import TASKS, GraphScorer, Settings, finite

_scorer = GraphScorer()
_asked = False


def register(**settings: Any) -> Tuple[str, ...]:
    """Add ``gennas`` and the other keys of `TASKS` to NASLib's zero-cost measures.

    Calling it again changes the settings of the measures, nothing else.

    Args:
        settings: the fields of `naslib_gennas.plugin.scoring.Settings`, such as ``profile="fast"``.

    Returns:
        The names of the measures.

    Raises:
        InputError: NASLib is absent, or a setting is wrong.
    """
    global _asked, _scorer
    naslib = compat.measures()
    chosen = Settings(**settings)
    if chosen != _scorer.settings:
        _scorer = GraphScorer(chosen)
    for name, task in TASKS.items():
        if name not in naslib.registry:
            naslib.measure(name, bn=True, copy_net=True)(_measure(task))
    _answer_first()
    _asked = True
    return tuple(TASKS)


def registered() -> bool:
    """Whether `register` has been called in this process."""
    return _asked


def current() -> GraphScorer:
    """What scores for the measures, with the settings of the last `register`."""
    return _scorer


def _answer_first() -> None:
    """Let ``ZeroCost(...).query(graph)`` go to our scorer at once where the measure is one of ours.

    What NASLib does before it asks a measure (loss function, number of classes, a copy of the graph, a forward) fails
    on the graphs of NAS-Bench-101, NAS-Bench-ASR and NAS-Bench-NLP, and takes longer than a score elsewhere.
    """
    cls = getattr(importlib.import_module("naslib.predictors"), "ZeroCost", None)
    theirs: Any = getattr(cls, "query", None)
    if cls is None or hasattr(theirs, "__wrapped__"):
        return

    @functools.wraps(theirs)
    def query(self: Any, graph: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(graph, (list, tuple)):
            raise InputError(
                f"ZeroCost('{self.method_type}') takes one graph; NASLib's PredictorEvaluator gives it lists (its "
                "issue 185): python -m naslib_gennas.plugin.predictors runs it, and GenNASPredictor takes both"
            )
        if self.method_type not in TASKS:
            return theirs(self, graph, *args, **kwargs)
        return finite(_scorer.score(graph, TASKS[self.method_type], self.device))

    cls.query = query


def _measure(task: str) -> Any:
    def gennas(
        net: Any, inputs: torch.Tensor, targets: Any = None, loss_fn: Any = None, split_data: int = 1
    ) -> List[torch.Tensor]:
        """Minus the regression loss, as NASLib wants it: a list with one float64 tensor.

        Images and labels of NASLib's loader are not looked at: it shuffles, and a score needs one fixed batch.
        """
        return [torch.tensor(finite(_scorer.score(net, task, inputs.device)), dtype=torch.float64)]

    return gennas
