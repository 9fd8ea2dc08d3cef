"""What a searched proxy task is worth on architectures that the search has not seen, beside the shipped ones.

    python benchmarks/task_search.py --labels F.json:task_search_20 --held-out F.json:gennas_500 --budget 60m --out DIR

Printed: rho on the labels and on `n` held-out architectures, with its interval, for the task found, for `combo`, for
the best of random search with the same budget, and for further shipped tasks; whether found and `combo` differ (paired
bootstrap). The folder holds the task, its targets and the convergence curve.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Dict, List

from naslib_gennas import proxies, scoring, spaces
from naslib_gennas import truth as truths
from naslib_gennas.proxies import gennas
from naslib_gennas.studies import search, task_search
from naslib_gennas.truth import labels, metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="nasbench101")
    parser.add_argument("--labels", required=True)
    parser.add_argument("--held-out", required=True)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--budget", default="60m")
    parser.add_argument("--profile", default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shipped", nargs="*", default=["combo", "single", "search-N"])
    parser.add_argument("--no-control", action="store_true")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    space = spaces.get(options.space)
    known = labels.read(options.labels, space)
    others = labels.draw(truths.load(options.held_out, space), space, options.n, options.seed + 1, known.archs)
    found = task_search.search(
        space,
        known,
        budget=search.seconds(options.budget),
        held_out=others,
        control=not options.no_control,
        profile=options.profile,
        seed=options.seed,
        workers=options.workers,
        store=options.store,
        out=options.out,
        progress=lambda method, trial, best, done: print(f"{method} {done}: best rho {best:.3f}", flush=True),
    )
    assert found.candidate is not None
    candidates = {"found": gennas.from_task(found.candidate, proxies.get("gennas-combo", options.profile).profile)}
    for name in options.shipped:
        candidates[name] = proxies.get(f"gennas-{name}", options.profile)
    scores: Dict[str, List[float]] = {}
    content: Dict[str, Any] = {"rho_with_labels": {"found": found.rho, "combo": found.reference}, "held_out": {}}
    for name, proxy in candidates.items():
        values = [0.0] * len(others.archs)
        for record in scoring.score_many(
            space, others.archs, proxy, seed=options.seed, workers=options.workers, store=options.store
        ):
            values[record.index] = record.score
        scores[name] = values
        estimate = metrics.spearman(values, others.values, options.seed)
        content["held_out"][name] = estimate.to_json()
        print(f"{name}: rho on {len(others.archs)} held-out architectures {estimate}")
    if "random" in found.held_out:
        content["held_out"]["random"] = found.held_out["random"].to_json()
        print(f"random search: {found.held_out['random']}")
    if "combo" in scores:
        gap = metrics.difference("spearman", scores["found"], scores["combo"], others.values, options.seed)
        content["found_minus_combo"] = gap.to_json()
        print(f"found less combo: {gap}")
    expected = "nothing" if found.expected is None else f"{found.expected:.3f}"
    print(f"expected of the found one elsewhere: {expected}; taken: {'found' if found.taken else 'combo'}")
    tried = len(found.course.trials)
    stopped = sum(trial.stopped for trial in found.course.trials)
    print(f"{tried} tasks tried, {stopped} given up early; labels: found {found.rho:.3f}, combo {found.reference:.3f}")
    (options.out / "held_out.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
