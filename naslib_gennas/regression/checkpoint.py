"""The state of a training in a file, so that a longer training goes on where a shorter one ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union

import torch
from torch import nn

from naslib_gennas.regression.flat_sgd import FlatSGD


def save(
    path: Path,
    step: int,
    modules: Sequence[nn.Module],
    optimizer: Union[FlatSGD, torch.optim.Optimizer],
    trace: Sequence[torch.Tensor],
    losses: Sequence[Tuple[int, float]],
) -> None:
    """Write what a training needs to go on after `step`.

    A full disk or a folder that is not there leaves no file: then the longer training begins at its start, which costs
    its first steps again and changes nothing else.
    """
    state = {
        "step": step,
        "modules": [module.state_dict() for module in modules],
        "optimizer": optimizer.state_dict(),
        "trace": torch.stack(list(trace)),
        "losses": [list(record) for record in losses],
    }
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        torch.save(state, fresh)
        os.replace(fresh, path)
    except (OSError, RuntimeError):  # torch's writer has errors of its own for a full disk
        fresh.unlink(missing_ok=True)


def load(path: Path, device: torch.device, steps: int) -> Optional[Mapping[str, Any]]:
    """The state of a training that ended before `steps`; None where there is none that can be read."""
    try:
        state: Dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception:  # absent or damaged: torch says so in many ways
        return None
    return state if state["step"] < steps else None
