"""The tables and figures of arXiv:2108.01899 that can be run again, as plain data: what each is made of, and its cost.

`ENTRIES` has one entry a name. An entry is rows; a row is one figure of the paper (see `reproduction_rows`).
`reproduce` runs them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Tuple

from naslib_gennas.studies import reproduction_rows as rows
from naslib_gennas.studies.reproduction_rows import Row

#: Sizes of a run: minutes on two cores, or as published.
SCALES = ("small", "full")


@dataclass(frozen=True)
class Entry:
    """One table or figure of the paper.

    Attributes:
        name: what `gennas reproduce` calls it.
        title: what it shows.
        kind: "correlations" of scores with ground truth, "searches" of architectures, "designs" (searches of cells for
            networks of another size), "task searches", or "costs".
        measures: what is printed of each row, see `reproduction_runs.MEASURES`.
        rows: its figures.
        small, full: what a run costs at each scale, on two cores.
        n: architectures of each search space by scale, as `leaderboard.sizes` takes them.
        profile: what is changed in the profile of each scale.
        remark: what a reader should know of the paper's figures.
    """

    name: str
    title: str
    kind: str
    measures: Tuple[str, ...]
    rows: Tuple[Row, ...]
    small: str
    full: str
    n: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    remark: str = ""

    @property
    def spaces(self) -> Tuple[str, ...]:
        """The search spaces that it needs, in the order of its rows."""
        return tuple(dict.fromkeys(row.space for row in self.rows))


_RETRIEVALS = ("retrieval 5%", "retrieval 10%", "retrieval 20%", "retrieval 50%")
_OF_ALL = {"small": "32,nds-*=8", "full": "1000,nasbench101=500"}
_EVERY_RECORD = {
    "steps": 40,
    "steps_per_norm": None,
    "record_every": 5,
    "average": 1,
    "relative": 0.0,
}
ENTRIES: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "table1",
            "Single signals at single stages, NAS-Bench-101",
            "correlations",
            ("spearman",),
            rows.TABLE1,
            "3 min",
            "15 h",
            {"small": "32", "full": "500"},
        ),
        Entry(
            "table2",
            "Spearman's rho on every search space",
            "correlations",
            ("spearman", "kendall"),
            rows.CNN,
            "5 min",
            "10 days",
            _OF_ALL,
            remark="Of the published rho few are at hand; tau, which table 7 prints, stands beside them.",
        ),
        Entry(
            "table3",
            "Architecture search from end to end",
            "searches",
            ("found", "regret"),
            rows.TABLE3,
            "2 min",
            "3 days",
        ),
        Entry(
            "table4",
            "Architecture search on DARTS for ImageNet",
            "designs",
            ("params (M)", "multiply-additions (M)"),
            rows.TABLE4,
            "5 min",
            "8 h",
            {"small": "6", "full": "20"},
            {"full": {"cells": 4}},  # 14 in all
            remark="The task of search-D is the shipped one; that of search-D14 is searched first, on labelled cells "
            "of DARTS at the depth of the scale: 5 cells at the small one, 14 at the full one. The paper trains what "
            "it finds on ImageNet (top-1 error 25.1 and 24.3); this package does not train.",
        ),
        Entry(
            "table5",
            "Ten random seeds on one sample",
            "correlations",
            ("spearman",),
            rows.TABLE5,
            "2 min",
            "1 day",
            {"small": "32,nds-*=8", "full": "500"},
        ),
        Entry(
            "table6",
            "Initialisation of weights and biases",
            "correlations",
            ("spearman",),
            rows.TABLE6,
            "3 min",
            "1 day",
            {"small": "32,nds-*=8", "full": "500"},
            remark="The paper's table says that zero biases are slightly better and Kaiming's weights worse for some "
            "tasks; its figures are not at hand.",
        ),
        Entry(
            "table7",
            "Kendall's tau on every search space",
            "correlations",
            ("kendall",),
            rows.CNN,
            "5 min",
            "10 days",
            _OF_ALL,
        ),
        Entry(
            "table8",
            "Retrieval of the best, NAS-Bench-101 and -201",
            "correlations",
            _RETRIEVALS,
            rows.BENCHMARKS,
            "2 min",
            "5 h",
            _OF_ALL,
        ),
        Entry(
            "table9",
            "NAS-Bench-NLP: rho, tau and retrieval",
            "correlations",
            ("spearman", "kendall", *_RETRIEVALS),
            rows.methods(rows.NLP),
            "3 min",
            "15 h",
            {"small": "24", "full": "1000"},
        ),
        Entry(
            "table10",
            "Time and memory of an iteration",
            "costs",
            ("seconds an iteration", "peak memory (MB)"),
            rows.TABLE10,
            "2 min",
            "20 min",
            profile={
                "small": {"steps": 4, "sequence_steps": 4, "record_every": 4},
                "full": {"steps": 10, "sequence_steps": 10, "record_every": 10},
            },
            remark="The paper's times are those of a GTX 1080 Ti.",
        ),
        Entry(
            "figure5",
            "Scores against accuracy, all methods",
            "correlations",
            ("spearman",),
            rows.FIGURE5,
            "2 min",
            "2 h",
            {"small": "32", "full": "500"},
        ),
        Entry(
            "figure6",
            "Search for a proxy task, beside random search",
            "task searches",
            ("rho on the labels",),
            rows.FIGURE6,
            "5 min",
            "6 days",
            {"small": "8", "full": "20"},
        ),
        Entry(
            "figure8",
            "Regression against classification; batch sizes, iterations",
            "correlations",
            ("spearman",),
            rows.REGRESSION,
            "4 min",
            "6 weeks",
            {"small": "16", "full": "500"},
            {"small": _EVERY_RECORD, "full": {}},
            remark="Sections A.3.1 and A.3.2 of the paper.",
        ),
    )
}
