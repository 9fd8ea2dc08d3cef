"""Files: run folders, JSON and CSV written whole or row by row, and what is costly to make and kept."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import math
import os
import re
import time
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence, Union

import numpy as np
import platformdirs
from filelock import FileLock

from naslib_gennas._version import __version__
from naslib_gennas.errors import InputError, differences
from naslib_gennas.identity import canonical

PREVIOUS = "previous"


def new_folder(name: str) -> Path:
    """A name for the folder of a run that the user gave none: ``gennas-runs/NAME-DATE-TIME``; nothing is made."""
    plain = re.sub(r"[^\w.-]+", "-", name)  # a space may be called FILE.py:function
    path = Path("gennas-runs") / f"{plain}-{time.strftime('%Y%m%d-%H%M%S')}"
    return path if not path.exists() else path.with_name(f"{path.name}-{os.getpid()}")


def folder(out: Union[str, Path]) -> Path:
    """Make the folder of a run, and make sure that it can be written to.

    Raises:
        InputError: it cannot be made or written to.
    """
    path = made(out)
    probe = path / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(b"\0" * 4096)
    except OSError as error:
        raise InputError(f"output folder '{path}' cannot be written to: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return path


def made(out: Union[str, Path]) -> Path:
    """Make a folder.

    Raises:
        InputError: it cannot be made.
    """
    path = Path(out)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"output folder '{path}' cannot be written to: {error.strerror}") from None
    return path


def search_folder(out: Union[str, Path], settings: Mapping[str, Any]) -> Path:
    """Make the folder of a search that can be gone on with, and write its settings there.

    Raises:
        InputError: it cannot be written to, or holds a search with other settings; the message shows the difference.
    """
    path = folder(out)
    file, asked = path / "settings.json", json.loads(to_json(settings))
    # Settings alone are those of a search that was refused, or stopped before it had a result to lose.
    if file.is_file() and any(other != file for other in path.iterdir()):
        try:
            saved = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            saved = None  # unreadable: it is written anew
        differing = differences(saved, asked) if isinstance(saved, dict) else ""
        if differing:
            raise InputError(
                f"output folder '{path}' holds a search with other settings: {differing}; choose another folder or "
                "those settings"
            )
    write_json(file, asked)
    return path


def check_writable(path: Union[str, Path]) -> None:
    """Refuse an output file that could not be written, before there is anything to lose.

    Raises:
        InputError: its folder is missing or not writable, or it is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"output file '{path}' is a folder")
    if not path.absolute().parent.is_dir():
        raise InputError(f"output file '{path}': there is no folder '{path.absolute().parent}'")
    existed = path.exists()
    if _in_place(path):
        if not os.access(path, os.W_OK):
            raise InputError(f"output file '{path}' cannot be written: Permission denied")
        return  # opening a pipe waits for a reader, and closing it is the end for that
    try:
        with open(path, "ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise InputError(f"output file '{path}' cannot be written: {error.strerror}") from None


def write_json(path: Union[str, Path], content: Any) -> None:
    """Write a JSON file whole or not at all."""
    write(path, to_json(content) + "\n")


def write(path: Union[str, Path], content: Union[str, bytes]) -> None:
    """Write a file whole or not at all; links, pipes and devices (``/dev/stdout``) stay what they are.

    Raises:
        OSError: it cannot be written; what was there before is there still.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    if _in_place(Path(path)):
        with open(path, "wb") as file:
            file.write(data)
        return
    target = Path(os.path.realpath(path))
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        fresh.write_bytes(data)
        os.replace(fresh, target)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def write_output(path: Union[str, Path], content: Union[str, bytes]) -> None:
    """`write`, for a file that the user named.

    Raises:
        InputError: it cannot be written.
    """
    try:
        write(path, content)
    except OSError as error:
        raise InputError(f"output file '{path}' cannot be written: {error.strerror}") from None


def _in_place(path: Path) -> bool:
    """Whether a file must not be put in place of what has this name: a pipe, a device, an open file."""
    return (path.exists() and not path.is_file()) or str(path).startswith(("/dev/", "/proc/"))


def to_json(content: Any) -> str:
    """JSON text that every reader takes: numbers that are not finite become null."""
    return json.dumps(_strict(content), indent=1, allow_nan=False)


def _strict(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {str(key): _strict(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_strict(value) for value in content]
    if isinstance(content, (float, np.floating)):
        return float(content) if math.isfinite(content) else None
    if isinstance(content, np.integer):
        return int(content)
    return content


def cell(value: Any) -> Any:
    """What a CSV file holds for a value: a text that a spreadsheet would take for a formula gets a quote before it.

    >>> cell("=1+1"), cell("-1.5"), cell("|none~0|")
    ("'=1+1", '-1.5', '|none~0|')
    """
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


class Rows:
    """A CSV file that grows by a row at a time; each row is in the file when `write` returns.

    A file that was there before is kept beside it (``scores.previous.csv``). A disk that is full only makes the file
    incomplete: the rows that follow are not written, a warning says so, and `problem` says why.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns, self.problem = path, tuple(columns), ""
        try:
            if path.exists() and path.stat().st_size:
                os.replace(path, path.with_name(f"{path.stem}.{PREVIOUS}{path.suffix}"))
            self._file = open(path, "w", newline="", encoding="utf-8")
        except OSError as error:
            raise InputError(f"output file '{path}' cannot be written: {error.strerror}") from None
        self._writer = csv.writer(self._file)
        self._put(self.columns)

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a row; None is written as nothing, a text that a spreadsheet would run as a formula as `cell` says."""
        self._put(["" if row.get(column) is None else row[column] for column in self.columns])

    def _put(self, values: Sequence[Any]) -> None:
        if self.problem:
            return
        try:
            self._writer.writerow([cell(value) for value in values])
            self._file.flush()
        except OSError as error:
            self.problem = error.strerror or str(error)
            warnings.warn(f"'{self.path}' is incomplete from here on: {self.problem}", RuntimeWarning, stacklevel=3)

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self.problem = self.problem or error.strerror or str(error)

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


# --------------------------------------------------------------------------------------------------------------- plots


def once(kind: str, settings: Mapping[str, Any], make: Callable[[], Any]) -> Any:
    """What `make` gives for these settings: tensors, numbers, texts and containers of them.

    It is kept in a file of the user's cache folder. Processes that want the same one at a time wait for the first that
    makes it; a file that cannot be read is made anew.

    Args:
        kind: the name of the subfolder, e.g. "supernets".
        settings: everything that decides the outcome, ready for JSON.
        make: makes it; must depend on nothing but the settings.
    """
    path = place(kind, settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.exists():
            try:
                return _read(path, path.stat().st_mtime_ns)
            except Exception:  # damaged: torch says so in many ways
                path.unlink()
        made = make()
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        import torch  # when used: it takes seconds

        torch.save(made, fresh)
        os.replace(fresh, path)
        return made


def place(kind: str, settings: Mapping[str, Any]) -> Path:
    """The file that `once` uses."""
    digest = hashlib.sha256(canonical({**settings, "version": __version__}).encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_path("naslib-gennas")) / kind / f"{digest}.pt"


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Any:
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)
