"""The labels of input batches that have any: what classification is trained on, for comparison with regression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from naslib_gennas import pickles
from naslib_gennas.errors import InputError
from naslib_gennas.regression import batches

#: The batches whose images have labels.
LABELLED = "photos (which photograph it is from) and cifar:FOLDER with CIFAR's python batches"


def labels(name: str, count: int) -> torch.Tensor:
    """The classes of the first `count` images of an input batch: (count,), int64.

    Args:
        name: of the batch (see `batches.load`): of "photos" the class is the photograph that a crop is from, four in
            all; of "cifar:FOLDER" that of CIFAR-10, or the fine one of CIFAR-100.
        count: number of images.

    Raises:
        InputError: the batch has no labels, or too few.
    """
    form, _, folder = name.partition(":")
    if form == "photos":
        return torch.arange(count) % len(batches.PHOTOS)
    file = batches.cifar_file(Path(folder)) if form == "cifar" and folder else None
    if file is None:
        raise InputError(f"input batch '{name}' has no labels; {LABELLED} have")
    content = pickles.load(file, encoding="latin1")
    key = next((key for key in ("labels", "fine_labels") if isinstance(content, dict) and key in content), None)
    try:
        found = np.asarray(content[key][:count] if key else [], dtype=np.int64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        found = np.empty(0, dtype=np.int64)
    if len(found) < count or (found < 0).any():
        raise InputError(f"input batch file '{file}' has no labels of {count} images")
    return torch.from_numpy(found)
