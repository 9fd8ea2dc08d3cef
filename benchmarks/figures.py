"""The figures and the table of docs/compare.md and docs/trust.md, from the tables of docs/notebook/compare.md.

    python benchmarks/figures.py > table.md        # also writes docs/trust.svg and docs/cost.svg

The tables are those that benchmarks/compare.py prints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

import matplotlib.pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"
#: Section of the tables: how the figure names it.
SECTIONS = {
    "nasbench201, cifar10": "NAS-Bench-201\nCIFAR-10",
    "nasbench201, ImageNet16-120": "NAS-Bench-201\nImageNet16-120",
    "nasbench101, cifar10": "NAS-Bench-101\nCIFAR-10",
    "nasbench101, imagenet": "NAS-Bench-101\nImageNet",
    "darts, cifar10": "DARTS\nCIFAR-10",
    "transnas-micro, class_scene": "TransNAS micro\nclass_scene",
    "transnas-micro, class_object": "TransNAS micro\nclass_object",
    "nasbenchnlp, ptb": "NAS-Bench-NLP\nPenn Treebank",
}
PANELS = ("nasbench201, cifar10", "nasbench101, cifar10", "darts, cifar10", "transnas-micro, class_scene")
SHOWN = ("gennas-plus", "gennas-combo", "meco", "zen", "swap_reg", "zico", "naswot", "synflow", "jacob_cov", "params")
#: The proxies of the figure, with a colour that the colour-blind tell apart, and a marker.
DRAWN = {
    "gennas-plus": ("#0072B2", "o"),
    "gennas-combo": ("#56B4E9", "D"),
    "synflow": ("#E69F00", "s"),
    "naswot": ("#009E73", "^"),
    "params": ("#555555", "x"),
}


class Cell(NamedTuple):
    """Spearman's rho with its interval, and core-seconds."""

    rho: float
    low: float
    high: float
    cost: str


def read() -> Dict[Tuple[str, str], Cell]:
    """By section and proxy."""
    cells: Dict[Tuple[str, str], Cell] = {}
    section = ""
    for line in (DOCS / "notebook" / "compare.md").read_text(encoding="utf-8").splitlines():
        section = line[4:] if line.startswith("### ") else section
        row = [part.strip() for part in line.strip("|").split("|")]
        if section in SECTIONS and len(row) == 8 and row[1].isdigit():
            rho, low, high = row[2].replace("[", "").replace("]", "").replace(",", "").split()
            name = "gennas-combo" if row[0] == "gennas-nlp-combo" else row[0]
            cells[section, name] = Cell(float(rho), float(low), float(high), row[5])
    return cells


def table(cells: Dict[Tuple[str, str], Cell]) -> str:
    """Rho by proxy and space; the best of each space is bold."""
    heads = [name.replace("\n", ", ") for name in SECTIONS.values()]
    lines = [f"| proxy | {' | '.join(heads)} |", "| --- |" + " --- |" * len(heads)]
    best = {
        section: max(cells[section, name].rho for name in SHOWN if (section, name) in cells) for section in SECTIONS
    }
    for name in SHOWN:
        row: List[str] = []
        for section in SECTIONS:
            cell = cells.get((section, name))
            text = "" if cell is None else f"{cell.rho:.2f}"
            row.append(f"**{text}**" if cell and cell.rho == best[section] else text)
        lines.append(f"| `{name}` | {' | '.join(row)} |")
    return "\n".join(lines)


def draw(cells: Dict[Tuple[str, str], Cell], path: Path) -> None:
    """A row a space, a dot a proxy, its 95% interval as a line."""
    figure, axes = plt.subplots(figsize=(8, 6))
    for place, (name, (colour, marker)) in enumerate(DRAWN.items()):
        for row, section in enumerate(SECTIONS):
            cell = cells.get((section, name))
            if cell is not None:
                at = row + 0.15 * (place - (len(DRAWN) - 1) / 2)
                axes.plot([cell.low, cell.high], [at, at], color=colour, alpha=0.6, linewidth=1.5)
                axes.plot(cell.rho, at, marker, color=colour, label=name if row == 0 else None, markersize=6)
    for row in range(1, len(SECTIONS)):
        axes.axhline(row - 0.5, color="#dddddd", linewidth=0.8)
    axes.set_yticks(range(len(SECTIONS)), list(SECTIONS.values()), fontsize=9)
    axes.set_ylim(len(SECTIONS) - 0.5, -0.5)
    axes.set_xlim(-0.2, 1)
    axes.axvline(0, color="#999999", linewidth=0.8)
    axes.set_xlabel("Spearman's rho with trained performance, 95% interval")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, 1.08), ncols=len(DRAWN), frameon=False, fontsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


def draw_cost(cells: Dict[Tuple[str, str], Cell], path: Path) -> None:
    """A panel a space: what a score costs against rho; the proxies of `SHOWN` are numbered."""
    figure, panels = plt.subplots(1, len(PANELS), figsize=(11, 3.6), sharey=True)
    for axes, section in zip(panels, PANELS):
        for number, name in enumerate(SHOWN, 1):
            cell = cells.get((section, name))
            if cell is not None:
                colour = DRAWN["gennas-plus"][0] if name.startswith("gennas") else "#888888"
                axes.scatter(float(cell.cost), cell.rho, s=170, color=colour, edgecolor="white", zorder=2)
                axes.text(float(cell.cost), cell.rho, str(number), ha="center", va="center", color="white", fontsize=8)
        axes.set_xscale("log")
        axes.set_xlim(0.008, 12)
        axes.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"], fontsize=8)
        axes.minorticks_off()
        axes.set_title(SECTIONS[section], fontsize=10)
        axes.set_xlabel("core-seconds per architecture", fontsize=9)
        axes.grid(color="#eeeeee", zorder=0)
        axes.set_ylim(-0.1, 1)
    panels[0].set_ylabel("Spearman's rho")
    legend = "   ".join(f"{number} {name}" for number, name in enumerate(SHOWN, 1))
    figure.text(0.5, -0.06, legend, ha="center", fontsize=9)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    plt.rcParams["svg.hashsalt"] = "trust"
    plt.rcParams["figure.facecolor"] = "white"
    known = read()
    draw(known, DOCS / "trust.svg")
    draw_cost(known, DOCS / "cost.svg")
    print(table(known))
