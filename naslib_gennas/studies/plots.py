"""Plots of results.

Plots use matplotlib's objects alone, never its global state, and need no display.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple, Union

import numpy as np
from scipy.stats import rankdata

from naslib_gennas import files
from naslib_gennas.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from naslib_gennas.regression.tasks import ProxyTask


def figure(width: float = 5.0, height: float = 4.0, rows: int = 1, columns: int = 1) -> Tuple[Figure, np.ndarray]:
    """A figure with a grid of axes (rows, columns), `width` x `height` inches each, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as _Figure

    made = _Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(made)
    return made, made.subplots(rows, columns, squeeze=False)


def literal(made: Figure) -> None:
    """Let the texts of a figure be drawn as they are: a $ in a proxy's or column's name begins no formula."""
    from matplotlib.text import Text

    for text in made.findobj(Text):
        text.set_parse_math(False)


def logarithmic(axes: Any, which: str, base: int = 10) -> None:
    """Make the "x" or the "y" axis logarithmic, its numbers written out: powers are formulas, which are not drawn."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    getattr(axes, f"set_{which}scale")("log", base=base)
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(LogLocator(base, (1.0, 2.0, 5.0) if base == 10 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


#: Formats that a paper takes, beside the PNG of a run folder.
FOR_PAPERS = (".svg", ".pdf")
# Blue and vermilion of Okabe and Ito, which the colour-blind tell apart; markers differ too, for prints in grey.
BLUE, VERMILION, GREY = "#0072b2", "#d55e00", "#555555"


def save(made: Figure, path: Union[str, Path], also: Sequence[str] = ()) -> Path:
    """Write a figure; the file's ending chooses the format.

    Args:
        made: the figure.
        path: the file.
        also: endings of further files with the same name.

    Raises:
        InputError: an ending that is no picture format, or a file that cannot be written.
    """
    path = Path(path)
    literal(made)
    try:
        for one in (path, *(path.with_suffix(ending) for ending in also)):
            drawn = io.BytesIO()
            made.savefig(drawn, format=one.suffix[1:] or None, dpi=120)
            files.write(one, drawn.getvalue())
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
    values.scatter(x[finite], y[finite], s=18, alpha=0.7, linewidths=0, color=BLUE)
    values.set_xlabel(score_label)
    values.set_ylabel(truth_label)
    ranks.scatter(rankdata(x)[finite], rankdata(y)[finite], s=18, alpha=0.7, linewidths=0, color=BLUE)
    ranks.set_xlabel(f"rank by {score_label}")
    ranks.set_ylabel(f"rank by {truth_label}")
    last = {"s": 22, "facecolors": "none", "edgecolors": VERMILION, "marker": "s", "label": "ranks last"}
    if not finite.all():
        left = values.get_xlim()[0]
        values.scatter(np.full((~finite).sum(), left), y[~finite], **last)
        ranks.scatter(rankdata(x)[~finite], rankdata(y)[~finite], **last)
        values.legend(loc="best", frameon=False)
    for axis in axes[0]:
        axis.grid(alpha=0.3)
    made.suptitle(title, fontsize=10)
    return save(made, path, FOR_PAPERS)


def plot_task(
    task: ProxyTask, path: Union[str, Path], size: int = 8, channels: int = 6, seed: int = 0, also: Sequence[str] = ()
) -> Path:
    """Draw a task's targets, as figure 3 of arXiv:2108.01899: a row a stage, the first channels of one image.

    Args:
        task: of kind "cnn" (a row a stage) or "rnn" (the input and the target sequences of a few samples).
        size: height and width of the targets, in pixels.
        channels: maps a row.
        also: endings of further files, see `save`.
    """
    from naslib_gennas.regression import batches, tasks

    rows: List[Tuple[str, np.ndarray]]
    if task.kind == "rnn":
        source, target = tasks.sequences(task, channels, seed)
        rows = [(name, maps.transpose(0, 1).numpy()) for name, maps in (("input", source), ("target", target))]
    else:
        goals = tasks.targets(task, batches.load("photos", task.batch_size, 32), size, seed)
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
    return save(made, path, also)


def rounded(value: Optional[float], digits: int = 4) -> str:
    """A number for a table; nothing where there is none."""
    return "" if value is None else f"{value:.{digits}f}" if math.isfinite(value) else str(value)
