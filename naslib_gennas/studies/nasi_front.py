"""Several sizes in one search: NASI at several prices of a resource, and the Pareto front of what it finds.

Each ascent maximises the expected objective less a price of the expected resource, as SNAS does with labels
(arXiv:1812.09926, section 2.3); a higher price gives a smaller network.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import torch

from naslib_gennas import files
from naslib_gennas import truth as truths
from naslib_gennas.errors import InputError
from naslib_gennas.proxies import supernet as supernets
from naslib_gennas.proxies.measure import conditions
from naslib_gennas.proxies.nasi import objective
from naslib_gennas.randomness import generator
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import front_report, methods, nasi
from naslib_gennas.studies import objectives as aims
from naslib_gennas.studies.front import Evaluation, Front
from naslib_gennas.studies.journal import Journal
from naslib_gennas.studies.measures import Measurements
from naslib_gennas.studies.objectives import SCORE, Objective
from naslib_gennas.studies.result import Interrupted
from naslib_gennas.truth.table import Truth

#: The weights of the price, one an ascent.
PRICES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
# Labels that the score of what was found is the mean over.
_DRAWS = 8

#: Called after each step of an ascent: which price, its step, how many there are (0: not known).
Progress = Callable[[float, int, int], None]


def trade_off(
    space: Union[str, SearchSpace[Any], Scorer],
    objectives: Sequence[Union[str, Objective]],
    *,
    evaluations: Optional[int] = None,
    nu: Union[str, float] = nasi.ADAPTIVE,
    prices: Sequence[float] = PRICES,
    truth: Union[str, Path, Truth, None] = truths.INSTALLED,
    out: Union[str, Path, None] = None,
    progress: Progress = lambda price, done, total: None,
    **scoring: Any,
) -> Front:
    """The Pareto front of score and size by NASI; the score is its objective on what was found.

    Args:
        space: "nasbench201" or "darts".
        objectives: "score", and "params" or "flops" (of the network that is trained in the end).
        evaluations: steps of each ascent; None: the profile's.
        nu: see `nasi.search`.
        prices: weights, an ascent each.
        truth: only reported.
        out: a folder for result.json, front.csv, history.csv and front.png; None: nothing is written.
        progress: called after each step.
        scoring: see `nasi.search`.

    Raises:
        InputError: other objectives, a space without a supernet, or something that NASI has no use for.
        Interrupted: Ctrl-C or SIGTERM; the same call goes on from there.
    """
    method = methods.get("nasi")
    methods.refuse(method, **{name: scoring.pop(name, None) for name in method.refuses})
    if scoring.pop("budget", None):
        raise InputError("several ascents have steps, not a time: leave budget out, or give evaluations")
    scorer = nasi.scorer(space, **scoring)
    traded = aims.together(objectives, scorer.space)
    resource = next((one.name for one in traded if one.name in nasi.RESOURCES), None)
    if len(traded) != 2 or resource is None or all(one.name != SCORE for one in traded):
        raise InputError(
            f"nasi trades off score and one of {', '.join(nasi.RESOURCES)}, not {', '.join(map(str, traded))}"
        )
    table = truths.find(truth, scorer.space)
    study: Dict[str, Any] = {"nu": nu, "prices": list(prices), "objectives": [one.identity for one in traded]}
    settings = {**scorer.about, "device": scorer.place.device, "method": "nasi", "population": 0, **study}
    folder = None if out is None else files.search_folder(out, settings)
    history: List[Evaluation] = []
    resumed, started = 0, time.perf_counter()

    def result(complete: bool) -> Front:
        made = Front(settings, traded, tuple(history), (), table, resumed, complete, False, folder)
        if folder is not None:
            front_report.write(made, folder)
        return made

    with scorer.place as (_, store):
        measurements = Measurements(scorer.space, store)
        limit: Optional[float] = None
        try:
            for place, weight in enumerate(prices):
                price = f"{resource}:{weight:g}"
                journal = Journal(store, "search", scorer, {"method": "nasi", "nu": nu, "price": price})

                def show(done: int, total: int, draw: nasi.Draw, weight: float = weight) -> None:
                    progress(weight, done, total)

                found = nasi.run(scorer, nasi.Ascent(nu, price=price), evaluations, journal, None, show)
                resumed += found.resumed
                # One limit for all, that of the ascent without a price: their scores are to be compared.
                limit = found.draws[-1].nu if limit is None else limit
                arch = scorer.space.parse(found.arch)
                score = _score(scorer, arch, limit)
                values = {one.name: score if one.maximised else one.value(arch, measurements) for one in traded}
                value = None if table is None else table.of(scorer.space, arch)
                wall = time.perf_counter() - started
                history.append(Evaluation(place, place, found.arch, values, value, "ok", "", 0.0, wall))
        except KeyboardInterrupt:
            raise Interrupted(result(complete=False), f"{len(history)} ascents") from None
    return result(complete=True)


def _score(scorer: Scorer, arch: Any, limit: float) -> float:
    """NASI's objective of an architecture: the mean trace norm over draws of labels, with the limit on it."""
    with conditions():
        norms = nasi.TraceNorms(scorer)
        shape = (_DRAWS, len(norms.batch))
        labels = torch.randint(supernets.CLASSES, shape, generator=generator(scorer.seed, "labels", "front"))
        choice = norms.supernet.choice(arch)
        traces = torch.stack([norms.of(choice, each).detach() for each in labels])
        return float(objective(traces.mean(), limit))
