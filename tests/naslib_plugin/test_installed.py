"""What an installed wheel does for NASLib: a script of its user finds the measures without a line of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import zipfile
from pathlib import Path
from typing import Optional

import pytest

from naslib_gennas.plugin import compat

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("naslib_gennas", "_naslib_gennas_hook.py", "naslib_gennas_hook.pth", "setup.py", "setup.cfg")
TEXTS = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment in which the wheel of this checkout lies beside this one's packages."""
    folder = tmp_path_factory.mktemp("installed")
    for name in (*SOURCES, *TEXTS):
        source, target = REPOSITORY / name, folder / "source" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    wheel = [sys.executable, "setup.py", "-q", "bdist_wheel", "--dist-dir", str(folder)]
    subprocess.run(wheel, cwd=folder / "source", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "environment")], check=True)
    found = folder / "environment" / "bin" / "python"
    where = subprocess.run(
        [str(found), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], check=True, stdout=subprocess.PIPE
    )
    packages = Path(where.stdout.decode().strip())
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return found


def _run(python: Path, code: str, hook: Optional[str] = None) -> str:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "GENNAS_NASLIB_HOOK")}
    path = compat.naslib_path()
    if path is not None:
        environment["PYTHONPATH"] = str(path.parent)
    if hook is not None:
        environment["GENNAS_NASLIB_HOOK"] = hook
    command = [str(python), "-W", "ignore", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=environment, cwd=python.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_a_process_that_does_not_import_naslib_is_left_alone(python: Path) -> None:
    code = """
    import sys
    ours = sorted(name for name in sys.modules if "gennas" in name)
    assert ours == ["_naslib_gennas_hook"], ours
    assert not {"torch", "numpy", "naslib"} & set(sys.modules)
    """
    _run(python, code)


@pytest.mark.naslib
def test_naslib_has_the_measures_without_a_line_of_ours(python: Path) -> None:
    code = """
    import random, sys
    import numpy as np, torch
    state = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()
    settings = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), np.geterr()
    from naslib.predictors import ZeroCost
    from naslib.predictors.utils.pruners.measures import _measure_impls
    assert "gennas_plus" in _measure_impls
    assert ZeroCost.query.__wrapped__ is not None
    assert state[0] == random.getstate() and state[1] == np.random.get_state()[1].tobytes()
    assert state[2] == torch.get_rng_state().numpy().tobytes()
    assert settings == (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), np.geterr())
    from naslib_gennas.plugin import measure
    before = list(sys.path)  # NASLib itself has put a folder in front
    measure.register(profile="fast", steps=1)
    from naslib_gennas.plugin.graph_space import NaslibSpace
    space = NaslibSpace("nasbench201")
    assert sys.path[: len(before)] == before
    graph = space.light_graph((2, 0, 4, 3, 0, 2))
    print(ZeroCost("gennas_combo").query(graph))
    """
    assert float(_run(python, code).splitlines()[-1]) < 0


@pytest.mark.naslib
def test_the_hook_can_be_turned_off(python: Path) -> None:
    code = """
    import collections, collections.abc, sys
    collections.Iterable = collections.abc.Iterable  # what the hook puts right else
    try:
        import torchvision
    except RuntimeError:  # built for another torch
        import torch
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from naslib.predictors.utils.pruners.measures import _measure_impls
    assert not any(name.startswith("gennas") for name in _measure_impls)
    assert not any(name.startswith("naslib_gennas") for name in sys.modules)
    """
    _run(python, code, "0")
