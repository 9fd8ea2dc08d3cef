"""torchvision beside a torch of another build: its Python part works, its compiled operators are not there."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from typing import Any, List

# The operators that torchvision's Python files name even when its compiled part could not be loaded. Detectors call
# them on their results; classifiers, segmentation and backbones never do.
_OPERATORS = ("nms", "qnms")
_kept: List[Any] = []  # torch forgets operators when their library is collected


def make_importable() -> bool:
    """Import torchvision, with stubs for the operators that a build for another torch lacks; whether it took stubs.

    Does nothing where torchvision is absent, is imported already, or works as it is.

    Raises:
        RuntimeError: torchvision cannot be imported for another reason.
    """
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return False
    try:
        importlib.import_module("torchvision")
        return False
    except RuntimeError as error:
        if not any(f"torchvision::{name} does not exist" in str(error) for name in _OPERATORS):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in _OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept.append(library)
    importlib.import_module("torchvision")
    logging.getLogger(__name__).debug("torchvision's compiled operators are absent; stubs stand in for nms and qnms")
    return True
