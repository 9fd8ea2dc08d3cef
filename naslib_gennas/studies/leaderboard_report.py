"""The files of a leaderboard: HTML, CSV, LaTeX, and the figures as SVG and PDF."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple, Union

from naslib_gennas import files
from naslib_gennas.studies import citations, leaderboard_figures, page, plots, report
from naslib_gennas.studies.comparison import FEW
from naslib_gennas.studies.leaderboard import DEFAULT, DataSet, Leaderboard, Space, Standing
from naslib_gennas.studies.result import writing
from naslib_gennas.truth.significance import LEVEL

STANDINGS = (
    *("proxy", "mean_rank", "mean_rank_low", "mean_rank_high", "mean_rho", "spaces", "furthest_behind"),
    *("behind_on", "core_seconds", "p_default"),
)
HEADS = ("proxy", "mean rank", "mean rho", "spaces", "furthest behind", "core-seconds")
Cell = Tuple[str, str]


def write(board: Leaderboard, folder: Union[str, Path]) -> Path:
    """Write a leaderboard into a folder, which is made if it does not exist.

    report.html, result.json; standings.csv (a row a proxy), table.csv (a row a proxy and data set); for a paper:
    standings.tex and table.tex (booktabs), citations.bib, and the figures as SVG and PDF. A full disk loses these
    files, not the scores: a warning says so.

    Raises:
        InputError: the folder cannot be made.
    """
    place = files.made(folder)
    with writing(place):
        files.write_json(place / "result.json", board.to_json())
        with files.Rows(place / "standings.csv", STANDINGS) as file:
            for standing in board.standings:
                file.write(_standing(board, standing))
        with files.Rows(place / "table.csv", ("space", "data_set", "n", *report.COLUMNS)) as file:
            for space, one in data_sets(board):
                for row in report.column_rows(one.columns):
                    file.write({"space": space.name, "data_set": one.name, "n": one.truth["matched"], **row})
        files.write(place / "report.html", render(board))
        files.write(place / "standings.tex", report.booktabs([_plain(HEADS), *standings(board)]))
        files.write(place / "table.tex", report.booktabs(_transposed(board)))
        names = [standing.proxy for standing in board.standings]
        files.write(place / "citations.bib", citations.bibtex(names))
        figures = files.folder(place / "figures")
        for name, made in _figures(board):
            plots.save(made, figures / f"{name}.svg", (".pdf",))
    return place


def data_sets(board: Leaderboard) -> Iterator[Tuple[Space, DataSet]]:
    """Every data set with its search space."""
    for space in board.spaces:
        for one in space.data_sets:
            yield space, one


def standings(board: Leaderboard) -> List[List[Cell]]:
    """The rows of the table over all search spaces, for people: value and interval of each cell (see `HEADS`)."""
    ranks = {} if board.ranks is None else dict(zip(board.ranks.methods, board.ranks.mean_ranks))
    rows = []
    for one in board.standings:
        rank = ranks.get(one.proxy)
        value, span = "", ""
        if rank is not None:
            value = f"{rank.value:.2f}"
            span = "" if math.isnan(rank.low) else f"[{rank.low:.2f}, {rank.high:.2f}]"
        behind, where = one.behind
        rows.append(
            [
                (one.proxy, ""),
                (value, span),
                (_number(one.rho, ".3f"), ""),
                (str(one.spaces), ""),
                (_number(behind, ".3f"), where if behind > 0 else ""),
                (_number(one.seconds, ".3g"), ""),
            ]
        )
    return rows


def notes(board: Leaderboard) -> List[str]:
    """What a reader should know before the numbers."""
    found = [] if board.complete else ["The run was stopped: what was not done is blank."]
    few = [f"{space.name} ({len(space.architectures)})" for space in board.spaces if len(space.architectures) < FEW]
    if few:
        found.append(f"Few architectures, so that the figures say little: {', '.join(few)}.")
    if board.ranks is not None and len(board.ranks.spaces) < 6:
        found.append("With fewer than six search spaces no two proxies can differ by more than chance.")
    found += against_default(board)
    doubts = [
        f"{space.name}: {remark}."
        for space, one in data_sets(board)
        for remark in one.truth["remarks"]
        if "lower-is-better" in remark
    ]
    return [*found, *doubts, *(f"{remark}." for remark in board.remarks)]


def against_default(board: Leaderboard) -> List[str]:
    """From which proxies the default one differs by more than chance, as a sentence."""
    default = next((one for one in board.standings if one.proxy == DEFAULT and one.spaces), None)
    others = [one for one in board.standings if not math.isnan(one.p)]
    if default is None or not others or board.ranks is None or len(board.ranks.spaces) < 6:
        return []
    place = board.standings.index(default)
    groups: Dict[str, List[str]] = {"better than": [], "not told apart from": [], "worse than": []}
    for one in others:
        kind = "not told apart from" if one.p >= LEVEL else "better than"
        if one.p < LEVEL and board.standings.index(one) < place:
            kind = "worse than"
        groups[kind].append(f"{one.proxy} ({one.p:.2g})")
    said = "; ".join(f"{kind} {', '.join(names)}" for kind, names in groups.items() if names)
    return [
        f"{DEFAULT}, the default, is {said}. In brackets: p, by Wilcoxon's signed-rank tests over the search spaces, "
        f"with Holm's correction for {len(others)} comparison{'s' * (len(others) != 1)}."
    ]


def blanks(board: Leaderboard) -> List[str]:
    """Which proxy cannot score which search space, and why; and which scores are not ok."""
    found = []
    for space in board.spaces:
        for column in space.columns:
            if column.failure:
                found.append(f"{column.name} cannot score {space.name}: {column.failure}")
            elif set(column.not_ok) & {"failed", "diverged"}:
                bad = [
                    f"{column.not_ok[key]} {key} ({why})" for key, why in column.reasons.items() if key != "untrainable"
                ]
                found.append(f"{column.name} on {space.name}: {'; '.join(bad)}, ranked last")
    return found


def command(board: Leaderboard) -> str:
    """The command that repeats a leaderboard, as far as its settings tell."""
    counts = ",".join(f"{space.name}={len(space.architectures)}" for space in board.spaces)
    names = [column.name for column in board.spaces[0].columns]
    parts = ["gennas", "leaderboard", "--spaces", ",".join(space.asked for space in board.spaces)]
    parts += ["--proxies", ",".join(names), "--n", counts, "--seed", str(board.seed)]
    parts += [part for folder in board.folders for part in ("--truth-folder", folder)]
    parts += [part for truth in board.truths for part in ("--truth", truth)]
    asked = {one.truth["higher_is_better"] for _, one in data_sets(board) if one.truth["decided"] == "asked"}
    parts += [f"--{'higher' if higher else 'lower'}-is-better" for higher in asked]
    parts += [] if board.inputs is None else ["--inputs", board.inputs]
    return " ".join(map(shlex.quote, parts))


def render(board: Leaderboard) -> str:
    """The report as HTML."""
    figures = {name: report.inline(made) for name, made in _figures(board)}
    count = len(board.spaces)
    return page.render(
        "leaderboard.html",
        title=f"{len(board.standings)} proxies on {count} search space{'s' * (count != 1)}",
        summary=f"The same architectures for all proxies of a search space; seed {board.seed}, inputs "
        f"{board.inputs or 'as is usual for each proxy'}.",
        notes=notes(board),
        command=command(board),
        heads=HEADS,
        standings=[[{"value": value, "interval": span} for value, span in row] for row in standings(board)],
        critical=figures.get("critical-differences", ""),
        cost=figures.get("cost", ""),
        proxies=[standing.proxy for standing in board.standings],
        rows=_rows(board),
        blanks=blanks(board),
        costs=[
            {
                "space": space.name,
                "cells": [_number(_column(space, one.proxy).seconds, ".2g") for one in board.standings],
            }
            for space in board.spaces
        ],
    )


def _figures(board: Leaderboard) -> List[Tuple[str, Any]]:
    made = []
    if board.ranks is not None and len(board.ranks.methods) > 1:
        made.append(("critical-differences", leaderboard_figures.critical_differences(board.ranks)))
    cost = leaderboard_figures.cost(board)
    return made if cost is None else [*made, ("cost", cost)]


def _column(place: Union[Space, DataSet], proxy: str) -> Any:
    return next(column for column in place.columns if column.name == proxy)


def _rows(board: Leaderboard) -> List[Dict[str, Any]]:
    """A row a data set: the rho of every proxy, in the order of the standings."""
    rows = []
    for space, one in data_sets(board):
        columns = [_column(one, standing.proxy) for standing in board.standings]
        best = max((column.spearman.value for column in columns if column.spearman is not None), default=math.nan)
        cells = []
        for column in columns:
            if column.spearman is None:
                cells.append({"value": "–", "kind": "blank", "why": column.failure, "interval": ""})
                continue
            value, _, span = str(column.spearman).partition(" ")
            kind = "best" if column.spearman.value == best else ""
            cells.append({"value": value, "interval": span, "kind": kind, "why": ""})
        rows.append({"space": space.name, "name": one.name, "n": one.truth["matched"], "cells": cells})
    return rows


def _standing(board: Leaderboard, one: Standing) -> Dict[str, Any]:
    """A row of standings.csv."""
    ranks = {} if board.ranks is None else dict(zip(board.ranks.methods, board.ranks.mean_ranks))
    row: Dict[str, Any] = {"proxy": one.proxy, "spaces": one.spaces, "behind_on": one.behind[1]}
    rank = ranks.get(one.proxy)
    numbers = {"mean_rho": one.rho, "furthest_behind": one.behind[0], "core_seconds": one.seconds, "p_default": one.p}
    if rank is not None:
        numbers.update(mean_rank=rank.value, mean_rank_low=rank.low, mean_rank_high=rank.high)
    return {**row, **{key: None if math.isnan(value) else value for key, value in numbers.items()}}


def _transposed(board: Leaderboard) -> List[List[Cell]]:
    """The table of data sets for a paper: a row a data set, a column a proxy."""
    names = [standing.proxy for standing in board.standings]
    rows = [_plain(("space", "data set", "n", *names))]
    for space, one in data_sets(board):
        cells: List[Cell] = [(space.name, ""), (one.name, ""), (str(one.truth["matched"]), "")]
        for name in names:
            estimate = _column(one, name).spearman
            value, _, span = ("--", "", "") if estimate is None else str(estimate).partition(" ")
            cells.append((value, span))
        rows.append(cells)
    return rows


def _plain(texts: Tuple[str, ...]) -> List[Cell]:
    return [(text, "") for text in texts]


def _number(value: float, how: str) -> str:
    return "" if math.isnan(value) else format(value, how)
