"""How many tensor operations a training step is made of: on a GPU, the kernels that are launched for it.

    python benchmarks/launches.py --data FOLDER --space nasbench201 --profile fast

Counted on the CPU: every operation that computes, forward, backward and update; views and allocations are none. Most
are one kernel on a GPU, a convolution's backward pass is two or three. FOLDER: as for benchmarks/frontier.py.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import torch
from frontier import subset
from torch.utils._python_dispatch import TorchDispatchMode

from naslib_gennas import spaces
from naslib_gennas.regression import batches, profiles, tasks
from naslib_gennas.regression.maps import regress

NOTHING = ("aten::detach", "aten::empty", "aten::empty_like", "aten::empty_strided", "aten::set_", "aten::new_empty")


class Counter(TorchDispatchMode):
    """Counts operations while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not (function.is_view or function._schema.name.startswith(NOTHING))
        return function(*args, **(kwargs or {}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--profile", default="fast")
    parser.add_argument("--n", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space, profile = spaces.get(options.space), profiles.get(options.profile)
    batch = batches.load("photos", profile.images or 16, profile.resolution)
    archs = [space.parse(row["arch"]) for row in subset(options.space, "report", options.data)]
    counts, steps = [], 0
    for arch in [arch for arch in archs if not space.untrainable(arch)][: options.n]:
        totals = []
        for taken in (2, 4):  # their difference is free of what is done once
            short = profile.replace(steps=taken, steps_per_norm=None, average=1, record_every=1000)
            network = spaces.build(space, arch, short, 0)
            steps = profile.steps_for(network.norm_depth)
            with Counter() as counter:
                regress(network, batch, tasks.get("combo"), short, 0)
            totals.append(counter.count)
        counts.append((totals[1] - totals[0]) // 2)
    print(
        f"{options.space}, {options.profile}: {statistics.median(counts)} operations a step (median of {len(counts)}; "
        f"{min(counts)} to {max(counts)}), {steps} steps: {int(statistics.median(counts) * steps)} a score"
    )


if __name__ == "__main__":
    main()
