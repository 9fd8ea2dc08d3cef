"""Our measures in NASLib's registry, so that ZeroCost, Bananas and the zero-cost runner take them like their own."""

from __future__ import annotations

from typing import Any, List, Tuple

import torch

from naslib_gennas.plugin import compat
from naslib_gennas.plugin.scoring import TASKS, GraphScorer, Settings, finite

_scorer = GraphScorer()


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
    global _scorer
    naslib = compat.measures()
    chosen = Settings(**settings)
    if chosen != _scorer.settings:
        _scorer = GraphScorer(chosen)
    for name, task in TASKS.items():
        if name not in naslib.registry:
            naslib.measure(name, bn=True, copy_net=True)(_measure(task))
    return tuple(TASKS)


def _measure(task: str) -> Any:
    def gennas(
        net: Any, inputs: torch.Tensor, targets: Any = None, loss_fn: Any = None, split_data: int = 1
    ) -> List[torch.Tensor]:
        """Minus the regression loss, as NASLib wants it: a list with one float64 tensor.

        Images and labels of NASLib's loader are not looked at: it shuffles, and a score needs one fixed batch.
        """
        return [torch.tensor(finite(_scorer.score(net, task, inputs.device)), dtype=torch.float64)]

    return gennas
