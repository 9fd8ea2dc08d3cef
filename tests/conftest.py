"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List

import pytest
import torch

import naslib_gennas
from naslib_gennas import proxies
from naslib_gennas.plugin import compat

torch.set_num_threads(1)
PROXIES = tuple(proxies.names())


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with ground truth and reference losses; tests that need it are skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("GENNAS_SHARED", beside))
    if not (folder / "benchmarks").is_dir():
        pytest.skip(f"no ground truth for development: set GENNAS_SHARED, or put it at {beside}")
    return folder


@pytest.fixture(scope="session")
def proxy_names() -> List[str]:
    """The proxies of this package: other tests of a process register some of theirs."""
    return list(PROXIES)


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the store and the terminal of the person who runs the tests out of them."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "data"))


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder with its own data; commands started here are this package's, installed or not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    paths = [str(Path(naslib_gennas.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    return tmp_path


def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    if not compat.naslib_available():
        absent = pytest.mark.skip(reason="NASLib is not on the import path")
        for item in items:
            if item.get_closest_marker("naslib"):
                item.add_marker(absent)
