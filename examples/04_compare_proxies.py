"""Compare GenNAS with other training-free proxies on NAS-Bench-201, with intervals, cost and an HTML report.

The accuracies come from the package analog-nasbench (``pip install '.[demo]'`` in a checkout). Scores are kept: running
it again, or with one proxy more, computes only what is new. The report goes to gennas-runs/, which git leaves alone.
"""

from pathlib import Path

from naslib_gennas.studies import report
from naslib_gennas.studies.comparison import compare

runs = Path("gennas-runs")
runs.mkdir(exist_ok=True)
proxies = ["gennas-combo", "synflow", "naswot", "params", "vote:gennas-combo+synflow+naswot"]
result = compare("nasbench201", proxies, n=64, store=runs / "example-scores.sqlite")
for column in result.columns:
    print(f"{column.name}: rho {column.spearman}, {column.seconds:.2f} core-seconds an architecture")
print("Neither cheaper nor better than these is any other:", ", ".join(result.front))
print("The report:", report.write(result, runs / "example-compare") / "report.html")
