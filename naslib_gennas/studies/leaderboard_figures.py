"""The figures of a leaderboard: critical differences of mean ranks, and mean rank against cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Optional

from naslib_gennas.studies import plots, point_names
from naslib_gennas.studies.leaderboard import Leaderboard
from naslib_gennas.truth.significance import Ranks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Heights, in inches: of a name's line, of a bar, of what lies above the first of them.
_LINE, _BAR, _TOP = 0.22, 0.12, 0.55


def critical_differences(ranks: Ranks) -> Figure:
    """Mean ranks on a line, the best at the left; a bar joins proxies of which no two differ by more than chance.

    Demsar's diagram (JMLR 7, 2006), its bars by Wilcoxon's tests with Holm's correction and not by mean ranks alone;
    Nemenyi's critical difference stands above the line, for comparison.
    """
    count = len(ranks.methods)
    half = math.ceil(count / 2)
    bars = _BAR * len(ranks.groups)
    height = _TOP + bars + _LINE * (half + 1) + 0.2
    made, axes = plots.figure(7.5, height)
    axis = axes[0, 0]
    axis.set_axis_off()
    values = [rank.value for rank in ranks.mean_ranks]
    low, high = math.floor(min(values)), max(math.ceil(max(values)), math.floor(min(values)) + 1)
    margin = 0.42 * (high - low)
    axis.set_xlim(low - margin, high + margin)
    axis.set_ylim(-(height - _TOP), _TOP)
    axis.plot([low, high], [0, 0], color="black", linewidth=1)
    for tick in range(low, high + 1):
        axis.plot([tick, tick], [0, 0.06], color="black", linewidth=1)
        axis.text(tick, 0.09, str(tick), ha="center", va="bottom", fontsize=8)
    if ranks.critical_difference < high - low:
        axis.plot([low, low + ranks.critical_difference], [0.38, 0.38], color=plots.GREY, linewidth=2)
        text = f"critical difference {ranks.critical_difference:.2f} (Nemenyi)"
        axis.text(low + ranks.critical_difference, 0.38, f"  {text}", ha="left", va="center", fontsize=7)
    for place, (name, value) in enumerate(zip(ranks.methods, values)):
        left = place < half
        line = -(bars + _LINE * ((place if left else count - 1 - place) + 1))
        end = low - 0.03 * (high - low) if left else high + 0.03 * (high - low)
        axis.plot([value, value, end], [0, line, line], color="black", linewidth=0.7)
        label = f"{point_names.short(name)}  {value:.1f}" if left else f"{value:.1f}  {point_names.short(name)}"
        axis.text(end, line, f" {label} ", ha="right" if left else "left", va="center", fontsize=8)
    places = dict(zip(ranks.methods, values))
    for place, group in enumerate(ranks.groups):
        span = [places[group[0]] - 0.01 * (high - low), places[group[-1]] + 0.01 * (high - low)]
        axis.plot(span, [-(place + 0.7) * _BAR] * 2, color=plots.BLUE, linewidth=3, solid_capstyle="butt")
    return made


def cost(board: Leaderboard) -> Optional[Figure]:
    """Mean rank with its interval against core-seconds per architecture; None where no proxy has both."""
    if board.ranks is None:
        return None
    ranks = dict(zip(board.ranks.methods, board.ranks.mean_ranks))
    shown = [(one, ranks[one.proxy]) for one in board.standings if one.seconds > 0 and one.spaces]
    if not shown:
        return None
    made, axes = plots.figure(5.5, 4.0)
    axis = axes[0, 0]
    plots.logarithmic(axis, "x")
    axis.invert_yaxis()
    best, named = math.inf, []
    for one, rank in sorted(shown, key=lambda pair: pair[0].seconds):
        front = rank.value < best
        best = min(best, rank.value)
        colour = plots.BLUE if front else plots.GREY
        if not math.isnan(rank.low):
            axis.plot([one.seconds] * 2, [rank.low, rank.high], color=colour, linewidth=1, alpha=0.4)
        axis.plot(
            one.seconds, rank.value, "o", color=colour, markerfacecolor=colour if front else "white", markersize=5
        )
        named.append((one.proxy, (one.seconds, rank.value), colour))
    axis.margins(x=0.3)
    axis.set_xlabel("core-seconds per architecture, mean over the search spaces", fontsize=9)
    axis.set_ylabel("mean rank, 95% interval", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3, which="both")
    made.canvas.draw()  # places the axes, which the names go by
    spans = [(rank.value, rank.value) if math.isnan(rank.low) else (rank.low, rank.high) for _, rank in shown]
    taken = [point_names.extent(axis, one.seconds, *span) for (one, _), span in zip(shown, spans)]
    for name, point, colour in named:
        point_names.label(axis, [point_names.short(name)], point, colour, taken)
    return made
