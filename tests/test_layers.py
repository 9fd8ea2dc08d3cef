"""The rooms of the package, from the ground up: each imports only from those before it, or from itself."""

from __future__ import annotations

import ast
import configparser
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

import naslib_gennas

HOME = Path(naslib_gennas.__file__).parent
ROOMS = (
    "_version",
    "errors",
    "randomness",
    "reading",
    "extensions",
    "identity",
    "reading",
    "user_code",
    "files",
    "pickles",
    "networks",
    "regression",
    "spaces",
    "truth",
    "proxies",
    "scoring",
    "studies",
    "plugin",
    "cli",
)


#: What imports from everywhere, when it is used: the face, and the table of old names.
FACES = ("__init__", "__main__", "_moved")


def imported(path: Path) -> Iterator[Tuple[str, bool]]:
    """(module below the package, whether while the file is imported) of every import of the package in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        late = node.col_offset > 0 if isinstance(node, (ast.Import, ast.ImportFrom)) else False
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "naslib_gennas":
            below = node.module.split(".")[1:]
            for name in node.names:
                yield ".".join(below or [name.name]), late
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.startswith("naslib_gennas."):
                    yield name.name.partition(".")[2], late


def files() -> List[Path]:
    return [path for path in sorted(HOME.rglob("*.py")) if path.relative_to(HOME).with_suffix("").name not in FACES[1:]]


def test_every_file_is_in_a_room() -> None:
    rooms = {path.relative_to(HOME).with_suffix("").parts[0] for path in HOME.rglob("*.py")}
    assert rooms <= {*ROOMS, *FACES}


def test_no_room_imports_from_a_later_one() -> None:
    upward = []
    for path in files():
        room = path.relative_to(HOME).with_suffix("").parts[0]
        if room in FACES:
            continue
        for module, _ in imported(path):
            if module.split(".")[0] not in ROOMS[: ROOMS.index(room) + 1]:
                upward.append(f"{path.relative_to(HOME)} imports {module}")
    assert upward == []


def test_no_files_import_each_other_in_a_circle() -> None:
    """Of imports that run when a file is imported: two files that need each other cannot be read one by one."""
    names = {".".join(path.relative_to(HOME).with_suffix("").parts): path for path in files()}
    names = {name[: -len(".__init__")] if name.endswith(".__init__") else name: path for name, path in names.items()}
    needs = {
        name: {module for module, late in imported(path) if not late and module in names and module != name}
        for name, path in names.items()
        # A folder's face gathers what is in it.
        if path.name != "__init__.py"
    }
    while True:
        free = [name for name, modules in needs.items() if not modules & set(needs)]
        if not free:
            break
        for name in free:
            del needs[name]
    assert not needs, f"in circles: {sorted(needs)}"


def test_files_stay_readable() -> None:
    """About 400 lines where one subject does not need more."""
    long = {str(path.relative_to(HOME)): len(path.read_text().splitlines()) for path in files()}
    long = {name: lines for name, lines in long.items() if lines > 440}
    assert set(long) <= {"regression/tasks.py"}, long


def test_every_file_of_data_is_packed() -> None:
    """A wheel holds what setup.cfg names; a checkout hides what it forgets."""
    setup = configparser.ConfigParser()
    if not setup.read(HOME.parent / "setup.cfg"):
        pytest.skip("not a checkout")
    patterns = setup["options.package_data"]["naslib_gennas"].split()
    packed = {path for pattern in patterns for path in HOME.glob(pattern)}
    assert {path for path in (HOME / "data").rglob("*") if path.is_file()} <= packed
