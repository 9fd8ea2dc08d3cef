"""Do label-free scores rank torchvision's ImageNet models? Every single proxy beside parameters and FLOPs.

python benchmarks/imagenet.py measure [--models 40] [--json imagenet.json] [--proxies gennas-combo zen ...]
python benchmarks/imagenet.py report  [--json imagenet.json]

The truth is the published top-1 accuracy of the first weights (IMAGENET1K_V1), which torchvision states without a
download; the networks are untrained. Each proxy is measured with three initialisations and at two resolutions, on the
same batch for all models and with the same number of stages. `measure` keeps every number as soon as it is there and
goes on where it was stopped; `report` prints Spearman's rho with 95% intervals (bootstrap over models).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import time
import warnings
from pathlib import Path
from typing import Any, Dict, List, Optional

import numpy as np
import torch

from naslib_gennas import InputError, score_network
from naslib_gennas.networks import sources
from naslib_gennas.proxies import aggregation
from naslib_gennas.randomness import isolated
from naslib_gennas.truth import metrics

warnings.filterwarnings("ignore")

PROXIES = (
    "params flops gennas-combo gennas-single gennas-search-N gennas-search-D gennas-search-R gennas-plus zen "
    "naswot swap swap-cell meco zico synflow logsynflow snip grad_norm fisher jacob_cov epe_nas l2_norm plain grasp "
    "nasi ntk_cond az_expressivity az_progressivity az_trainability"
).split()
INITIALISATIONS = ("default", "kaiming", "xavier")
# The least at which the last stage of all of them is more than a pixel, and a larger one.
RESOLUTIONS = (64, 96)
# Smaller batches than the proxies' own: the networks are full-size, and order is what counts.
IMAGES, STEPS = 16, 24
# The siblings of gennas-combo, a quarter of the work each.
LIGHT = ("gennas-single", "gennas-search-N", "gennas-search-D", "gennas-search-R")
LIGHT_IMAGES, LIGHT_STEPS = 8, 12
STAGES = 3


def accuracies(most: int) -> Dict[str, float]:
    """Published top-1 accuracies of the `most` smallest classification models that take images of any size."""
    from torchvision import models

    found = []
    for name in models.list_models(module=models):
        weights = getattr(models.get_model_weights(name), "IMAGENET1K_V1", None)
        if weights is None or name.startswith(("vit_", "maxvit")):  # tied to 224 pixels
            continue
        found.append((weights.meta["num_params"], name, weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]))
    return {name: accuracy for _, name, accuracy in sorted(found)[:most]}


def key(model: str, proxy: str, initialise: str, resolution: int) -> str:
    return f"{model} {proxy} {initialise} {resolution}"


def score(model: str, proxy: str, initialise: str, resolution: int) -> Dict[str, Any]:
    """One number: the score, or why there is none, and what it cost."""
    profile: Dict[str, Any] = {"images": LIGHT_IMAGES if proxy in LIGHT else IMAGES}
    if proxy.startswith("gennas"):
        steps = LIGHT_STEPS if proxy in LIGHT else STEPS
        profile.update(steps=steps, record_every=steps)
    start = time.perf_counter()
    try:
        with isolated(0):
            network = sources.load(f"torchvision:{model}")
        found = score_network(
            network, proxy=proxy, profile=profile, resolution=resolution, initialise=initialise, count=STAGES
        )
        row = {"score": found.score if math.isfinite(found.score) else None, "status": found.status}
        row["reason"] = found.reason
    except InputError as error:
        row = {"score": None, "status": "refused", "reason": str(error)}
    return {**row, "seconds": time.perf_counter() - start}


def measure(models: int, proxies: List[str], ways: List[str], sizes: List[int], path: Path) -> None:
    """Fill the file with what is not in it yet, the cheapest models first."""
    rows: Dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    torch.set_num_threads(1)
    for model, initialise, resolution, proxy in itertools.product(accuracies(models), ways, sizes, proxies):
        place = key(model, proxy, initialise, resolution)
        if place in rows:
            continue
        if proxy in ("params", "flops") and (initialise != INITIALISATIONS[0]):
            continue  # no weight changes them
        rows[place] = score(model, proxy, initialise, resolution)
        fresh = path.with_suffix(".part")
        fresh.write_text(json.dumps(rows, indent=0))
        os.replace(fresh, path)
        print(f"{place}: {rows[place]['score']} {rows[place]['status']} {rows[place]['seconds']:.1f} s", flush=True)


def report(path: Path) -> None:
    """Rho of every proxy, initialisation and resolution with the published accuracy."""
    rows: Dict[str, Any] = json.loads(path.read_text())
    truth = accuracies(1000)
    print("| proxy | initialisation | resolution | models | Spearman rho | seconds a model |")
    print("| --- | --- | --- | --- | --- | --- |")
    lines = []
    for proxy, initialise, resolution in itertools.product(
        [*PROXIES, *aggregation.FIXED], INITIALISATIONS, RESOLUTIONS
    ):
        parts = aggregation.FIXED[proxy].parts if proxy in aggregation.FIXED else [proxy]
        here = {model: [rows.get(key(model, part, initialise, resolution)) for part in parts] for model in truth}
        known = {model: measured for model, measured in here.items() if None not in measured}
        if len(known) < 4:
            continue
        each = np.array(
            [[-math.inf if row["score"] is None else row["score"] for row in one] for one in known.values()]
        )
        scores = aggregation.FIXED[proxy].combine(each.T) if proxy in aggregation.FIXED else each[:, 0]
        found = metrics.spearman(scores, [truth[model] for model in known])
        seconds = sum(row["seconds"] for measured in known.values() for row in measured) / len(known)
        text = f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
        lines.append(
            (found.value, f"| {proxy} | {initialise} | {resolution} | {len(known)} | {text} | {seconds:.1f} |")
        )
    for _, line in sorted(lines, reverse=True):
        print(line)


def main(arguments: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "report"))
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--proxies", nargs="+", default=PROXIES)
    parser.add_argument("--initialise", nargs="+", default=INITIALISATIONS)
    parser.add_argument("--resolution", nargs="+", type=int, default=RESOLUTIONS)
    parser.add_argument("--json", type=Path, default=Path("imagenet.json"))
    asked = parser.parse_args(arguments)
    if asked.what == "measure":
        measure(asked.models, asked.proxies, asked.initialise, asked.resolution, asked.json)
    else:
        report(asked.json)


if __name__ == "__main__":
    main()
