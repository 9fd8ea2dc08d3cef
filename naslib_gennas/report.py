"""Run folders: scores written as they come, results as JSON, plots.

Plots use matplotlib's objects alone, never its global state, and need no display.
"""

from __future__ import annotations

import csv
import json
import math
import os
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from scipy.stats import rankdata

from naslib_gennas.errors import InputError, differences

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from naslib_gennas.tasks import ProxyTask

PREVIOUS = "previous"


def new_folder(name: str) -> Path:
    """A name for the folder of a run that the user gave none: ``gennas-runs/NAME-DATE-TIME``; nothing is made."""
    path = Path("gennas-runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    return path if not path.exists() else path.with_name(f"{path.name}-{os.getpid()}")


def folder(out: Union[str, Path]) -> Path:
    """Make the folder of a run, and make sure that it can be written to.

    Raises:
        InputError: it cannot be made or written to.
    """
    path = Path(out)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{os.getpid()}"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
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
    if file.is_file():
        try:
            saved = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
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
    try:
        with open(path, "ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise InputError(f"output file '{path}' cannot be written: {error.strerror}") from None


def write_json(path: Union[str, Path], content: Any) -> None:
    """Write a JSON file whole or not at all."""
    path = Path(path)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(to_json(content) + "\n", encoding="utf-8")
    os.replace(fresh, path)


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
        """Append a row; None is written as nothing."""
        self._put(["" if row.get(column) is None else row[column] for column in self.columns])

    def _put(self, values: Sequence[Any]) -> None:
        if self.problem:
            return
        try:
            self._writer.writerow(values)
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


def figure(width: float = 5.0, height: float = 4.0, rows: int = 1, columns: int = 1) -> Tuple[Figure, np.ndarray]:
    """A figure with a grid of axes (rows, columns), `width` x `height` inches each, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as _Figure

    made = _Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(made)
    return made, made.subplots(rows, columns, squeeze=False)


def save(made: Figure, path: Union[str, Path]) -> Path:
    """Write a figure; the file's ending chooses the format.

    Raises:
        InputError: an ending that is no picture format, or a file that cannot be written.
    """
    path = Path(path)
    try:
        made.savefig(path, dpi=120)
    except ValueError as error:
        raise InputError(f"plot file '{path}': {error}") from None
    except OSError as error:
        raise InputError(f"plot file '{path}' cannot be written: {error.strerror}") from None
    return path


def scatter(
    path: Union[str, Path],
    scores: Sequence[float],
    truth: Sequence[float],
    title: str = "",
    score_label: str = "score",
    truth_label: str = "truth",
) -> Path:
    """Draw scores against truth, and rank against rank, which is what correlations see.

    Architectures that rank last (-inf) stand on the left border of the scores, hollow.

    Args:
        scores: higher is better.
        truth: finite numbers, in the truth's own direction.
    """
    made, axes = figure(columns=2)
    x, y = np.asarray(scores, dtype=float), np.asarray(truth, dtype=float)
    finite = np.isfinite(x)
    values, ranks = axes[0]
    values.scatter(x[finite], y[finite], s=18, alpha=0.7, linewidths=0, color="tab:blue")
    values.set_xlabel(score_label)
    values.set_ylabel(truth_label)
    ranks.scatter(rankdata(x)[finite], rankdata(y)[finite], s=18, alpha=0.7, linewidths=0, color="tab:blue")
    ranks.set_xlabel(f"rank by {score_label}")
    ranks.set_ylabel(f"rank by {truth_label}")
    last = {"s": 22, "facecolors": "none", "edgecolors": "tab:red", "label": "ranks last"}
    if not finite.all():
        left = values.get_xlim()[0]
        values.scatter(np.full((~finite).sum(), left), y[~finite], **last)
        ranks.scatter(rankdata(x)[~finite], rankdata(y)[~finite], **last)
        values.legend(loc="best", frameon=False)
    for axis in axes[0]:
        axis.grid(alpha=0.3)
    made.suptitle(title, fontsize=10)
    return save(made, path)


def plot_task(task: ProxyTask, path: Union[str, Path], size: int = 8, channels: int = 6, seed: int = 0) -> Path:
    """Draw a task's targets, as figure 3 of arXiv:2108.01899: a row a stage, the first channels of one image.

    Args:
        task: of kind "cnn" (a row a stage) or "rnn" (the input and the target sequences of a few samples).
        size: height and width of the targets, in pixels.
        channels: maps a row.
    """
    from naslib_gennas import images, tasks

    rows: List[Tuple[str, np.ndarray]]
    if task.kind == "rnn":
        source, target = tasks.sequences(task, channels, seed)
        rows = [(name, maps.transpose(0, 1).numpy()) for name, maps in (("input", source), ("target", target))]
    else:
        goals = tasks.targets(task, images.load("photos", task.batch_size, 32), size, seed)
        rows = [(f"stage {i}", goal[0, :channels].numpy()) for i, goal in enumerate(goals, start=1)]
    width = max(len(maps) for _, maps in rows)
    made, axes = figure(1.3, 1.4, len(rows), width)
    for line, (name, maps) in zip(axes, rows):
        limit = max(float(np.abs(maps).max()), 1e-6)
        for axis, map_ in zip(line, maps):
            axis.imshow(
                map_, cmap="coolwarm", vmin=-limit, vmax=limit, aspect="auto" if task.kind == "rnn" else "equal"
            )
        for axis in line:
            axis.set_xticks([])
            axis.set_yticks([])
        line[0].set_ylabel(name, fontsize=9)
    made.suptitle(task.name, fontsize=10)
    return save(made, path)


def rounded(value: Optional[float], digits: int = 4) -> str:
    """A number for a table; nothing where there is none."""
    return "" if value is None else f"{value:.{digits}f}" if math.isfinite(value) else str(value)
