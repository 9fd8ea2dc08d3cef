"""torchvision that was built for another torch, as pip makes it of two indexes."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
from naslib_gennas.networks import sources
print(type(sources.load("torchvision:linear")).__name__)
"""
MODELS = """
from torch import nn
list_models = lambda: ["linear"]
def get_model_builder(name):
    def build(weights: object = None) -> nn.Module:
        return nn.Linear(2, 2)
    return build
"""


def run(folder, start):
    """Load a network from a package that begins as torchvision does."""
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(start)
    (folder / "torchvision" / "models.py").write_text(MODELS)
    paths = [str(folder), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=120)


def test_networks_load_although_the_compiled_operators_are_not_there(tmp_path):
    # What torchvision does when it is imported; without its compiled part torch says that there is no such operator.
    done = run(tmp_path, "import torch\ntorch.library.register_fake('torchvision::nms')(lambda *boxes: boxes[0])\n")
    assert done.stdout.strip() == "Linear", done.stderr


def test_another_fault_of_torchvision_is_told(tmp_path):
    done = run(tmp_path, "raise RuntimeError('its files are damaged')\n")
    assert "torchvision cannot be imported (its files are damaged)" in done.stderr
