"""Rank 64 NAS-Bench-201 architectures and compare the order with their trained accuracy.

The accuracies come from the package analog-nasbench (``pip install '.[demo]'`` in a checkout); without it the
architectures are ranked all the same.
"""

import naslib_gennas

ranking = naslib_gennas.rank("nasbench201", n=64, profile="fast", out="gennas-runs/example")
print("Spearman rho with the trained accuracy:", ranking.spearman)
print("Top 10% found:", ranking.retrieval)
for row in ranking.architectures[:5]:
    print(f"{row.score:.4f}  {row.truth}  {row.arch}")
print("Scores, result and plot are in", ranking.folder)
