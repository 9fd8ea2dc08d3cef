"""Where ground truth is: by the name of an installed table, by file, by file and column."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any, Collection, List, Optional, Tuple, Union

import platformdirs

from naslib_gennas import spaces
from naslib_gennas.errors import InputError
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.truth import benchmark_files, nds, table, user_tables
from naslib_gennas.truth.benchmark_files import ANALOG
from naslib_gennas.truth.table import Truth

#: Asks `find` for the table installed for the space, if any.
INSTALLED = "installed"
_BENCHMARKS = (".pth", ".pkl", ".pickle")
# A file that is not there, and the column that was asked of it.
_ABSENT = re.compile(r"(.+?\.(?:csv|tsv|json|pth|pkl|pickle)(?:\.gz)?):(.*)", re.IGNORECASE | re.DOTALL)


def installed(space: Union[str, SearchSpace[Any]]) -> List[str]:
    """The tables for a search space that are there without naming a file: what `load` takes as a name."""
    name = space if isinstance(space, str) else space.name
    found = [ANALOG] if name == "nasbench201" and benchmark_files.analog_installed() else []
    return found + sorted(path.name for path in (folder() / name).glob("[!.]*") if path.is_file())


def folder() -> Path:
    """Where `add` keeps tables: a folder a search space, among the user's data."""
    return Path(platformdirs.user_data_path("naslib-gennas")) / "truth"


def add(what: str, source: Union[str, Path]) -> List[Tuple[str, Path, int]]:
    """Keep ground truth among the user's data, where `installed` finds it.

    Args:
        what: a search space, or "nds" for the official files of "On Network Design Spaces".
        source: a table of that space, which is copied; for "nds" the folder with the official files, which are read
            into compact tables.

    Returns:
        The space, the kept table and its number of architectures, for every table.

    Raises:
        InputError: an unknown space, or a source that holds something else.
    """
    if what == "nds":
        return [(added.space, added.table, added.records) for added in nds.add(source, folder())]
    space, path = spaces.get(what), Path(source)
    if not path.is_file():
        raise InputError(f"truth '{path}': no such file")
    rows = [] if path.suffix in _BENCHMARKS else user_tables.read_table(path)
    columns = table.columns(rows)
    checked = load(f"{path}:{columns[0]}" if columns else path, space)
    kept = folder() / space.name / path.name
    partial = kept.with_name(f".{kept.name}.{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, partial)
        os.replace(partial, kept)
    except OSError as error:
        if partial.is_file():
            partial.unlink()
        raise InputError(f"table '{kept}' cannot be written: {error.strerror}") from None
    return [(space.name, kept, len(checked.texts) or len(checked.keys))]


def find(
    spec: Union[str, Path, Truth, None], space: SearchSpace[Any], higher_is_better: Optional[bool] = None
) -> Optional[Truth]:
    """As `load`; "installed" is the table installed for the space, if any, and None is none."""
    if spec == INSTALLED:
        spec = next(iter(installed(space)), None)
    return None if spec is None else load(spec, space, higher_is_better)


def load(spec: Union[str, Path, Truth], space: SearchSpace[Any], higher_is_better: Optional[bool] = None) -> Truth:
    """The ground truth that ``NAME``, ``NAME:COLUMN``, ``FILE``, ``FILE:COLUMN`` or ``FILE:SET.COLUMN`` names.

    Args:
        spec: a name from `installed`, with or without its suffix, or a file: a table (see `user_tables`), the official
            ``NAS-Bench-201*.pth``, NASLib's ``nb201_*_full_training.pickle`` or ``nasbench_only108.pkl``.
        space: whose architectures the table holds.
        higher_is_better: None: as the column's name says (see `direction.of`).

    Raises:
        InputError: no such file, a file without the needed columns, or one without an architecture of `space`.
    """
    if isinstance(spec, Truth):
        return spec.directed(higher_is_better)
    kept = {file: folder() / space.name / file for file in installed(space) if file != ANALOG}
    kept = {**{_names(path)[1]: path for path in reversed(list(kept.values()))}, **kept}
    name, wanted = split(str(spec), kept)
    if name == ANALOG:
        benchmark_files.only(space, "nasbench201", ANALOG)
        return table.collect(ANALOG, benchmark_files.analog(), wanted, space, higher_is_better)
    path = Path(name) if _is_file(name) else kept.get(name)
    if path is None:
        raise InputError(f"truth '{name[:200]}': {_absent(Path(name), space)}")
    if path.suffix in _BENCHMARKS:
        return benchmark_files.load(path, wanted, space, higher_is_better)
    return table.collect(path.name, user_tables.read_table(path), wanted, space, higher_is_better)


def split(spec: str, known: Collection[str] = ()) -> Tuple[str, str]:
    """The file or name, and the column ("" where none is asked for).

    Files and columns may both hold colons, and columns slashes (``runs.csv:val/acc``, ``C:\\runs.csv:acc``): the
    longest part before a colon that is a file, or one of the `known` names, is the file.
    """
    ends = [len(spec), *(index for index in range(len(spec) - 1, 0, -1) if spec[index] == ":")]
    for end in ends:
        if spec[:end] in known or spec[:end] == ANALOG or _is_file(spec[:end]):
            return spec[:end], spec[end + 1 :]
    absent = _ABSENT.fullmatch(spec)
    if absent:
        return absent.group(1), absent.group(2)
    name, colon, column = spec.rpartition(":")
    return (name, column) if colon and name and not set(column) & set("/\\") else (spec, "")


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long, or with a NUL: no name of a file
        return False


def _names(place: Path) -> Tuple[str, str]:
    """What an installed table is called: its file, and that without its suffixes."""
    return place.name, place.name.partition(".")[0]


def _absent(path: Path, space: SearchSpace[Any]) -> str:
    """What is wrong with a path that is no file, and what there is instead."""
    try:
        if path.exists():
            return "a folder, not a table" if path.is_dir() else "not a regular file"
    except (OSError, ValueError):
        pass
    elsewhere = [place.parent.name for place in sorted(folder().glob("*/[!.]*")) if str(path) in _names(place)]
    known = installed(space)
    if elsewhere:
        return f"no such file; it is installed for {', '.join(elsewhere)}, not for {space.name}"
    if known:
        return f"no such file; installed for {space.name}: {', '.join(known)}"
    wanted = space.name == "nasbench201"
    return "no such file" + f"; or '{ANALOG}' after: pip install {ANALOG}" * wanted
