"""Every proxy on every space with ground truth: the tables of the documentation.

    python benchmarks/compare.py DATA OUT [--spaces nasbench201 nasbench101 ...] [--n 300] [--proxies a,b,c]

DATA is a folder with the ground truth files (``benchmarks/``) and the published figures (``reference/``). Scores are
kept in OUT/scores.sqlite, so an interrupted run goes on, and one proxy more costs no other again. Each table is
OUT/SPACE-COLUMN/report.html and a Markdown table on stdout, with the published Kendall tau beside ours where there is
one.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Dict, Optional, Tuple

from naslib_gennas import comparison_report
from naslib_gennas.comparison import Comparison, compare

CNN = (
    "gennas-combo,gennas-combo@paper,params,flops,grad_norm,snip,grasp,fisher,synflow,logsynflow,jacob_cov,naswot,zen,"
    "epe_nas,l2_norm,plain,zico,swap,swap_reg,az_expressivity,az_progressivity,az_trainability,az_nas,meco,ntk_cond,"
    "linear_regions,nasi,nasi-ada,vote:synflow+jacob_cov+snip,ranksum:gennas-combo+naswot"
)
RNN = "gennas-nlp-combo,params"
#: Space -> (truth file, architectures at the most, proxies, column -> where the paper's tables have it).
SPACES: Dict[str, Tuple[str, int, str, Dict[str, Tuple[str, str]]]] = {
    "nasbench201": (
        "nasbench201.csv",
        300,
        CNN + ",rlnas",
        {
            "cifar10_test_acc": ("nasbench201", "CIFAR-10"),
            "cifar100_test_acc": ("nasbench201", "CIFAR-100"),
            "ImageNet16-120_test_acc": ("nasbench201", "ImageNet16-120"),
        },
    ),
    "nasbench101": (
        "nasbench101.json",
        300,
        CNN,
        {
            "gennas_500.cifar10_test_acc": ("nasbench101", "CIFAR-10"),
            "gennas_500.imagenet_acc": ("nasbench101", "ImageNet"),
        },
    ),
    "darts": ("darts.csv", 100, CNN + ",rlnas", {"": ("", "")}),
    "transnas-micro": ("transnas101_micro.csv", 100, CNN, {"": ("", "")}),
    "nasbenchnlp": ("nasbench_nlp.json.gz", 100, RNN, {"": ("", "")}),
}


def published(figures: Dict, where: Tuple[str, str], proxy: str) -> Optional[float]:
    """Kendall's tau of a proxy in the paper's tables, where it is there."""
    name = proxy.partition("@")[0]
    name = name[len("gennas-") :] if name.startswith("gennas-") else name
    return figures.get(where[0], {}).get(where[1], {}).get(name)


def table(result: Comparison, figures: Dict, where: Tuple[str, str]) -> str:
    """The comparison in Markdown."""
    heads = (*comparison_report.heads(result), "published tau")
    lines = [" | ".join(("", *heads, "")).strip(), "|" + " --- |" * len(heads)]
    for column in result.columns:
        if column.problem:
            continue
        cells = [" ".join(filter(None, cell)) for cell in comparison_report.cells(result, column)]
        known = published(figures, where, column.name)
        lines.append("| " + " | ".join([column.name, *cells, "" if known is None else f"{known:.2f}"]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--spaces", nargs="+", default=list(SPACES), choices=list(SPACES))
    parser.add_argument("--n", type=int)
    parser.add_argument("--proxies")
    parser.add_argument("--workers", type=int)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    figures = json.loads((asked.data / "reference/paper_tables.json").read_text())["kendall_tau"]
    for space in asked.spaces:
        file, most, usual, columns = SPACES[space]
        for column, where in columns.items():
            truth = str(asked.data / "benchmarks" / file) + (f":{column}" if column else "")
            names = (asked.proxies or usual).split(",")
            store = asked.out / "scores.sqlite"
            result = compare(space, names, asked.n or most, truth=truth, workers=asked.workers, store=store)
            comparison_report.write(result, asked.out / f"{space}-{column or 'usual'}")
            print(f"\n## {space}, {result.truth['column'] if result.truth else ''}, n = {result.n}\n")
            print(table(result, figures, where), flush=True)
            for note in comparison_report.notes(result):
                print(f"- {note}")


if __name__ == "__main__":
    main()
