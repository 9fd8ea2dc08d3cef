"""The same search under several seeds, and random search beside each: one search tells little of a method."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

from naslib_gennas import files
from naslib_gennas._version import __version__
from naslib_gennas.errors import check_whole
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.spaces.space import SearchSpace
from naslib_gennas.studies import search, seeds_report
from naslib_gennas.studies.course import Course, Found, Step, plain
from naslib_gennas.studies.result import Interrupted

#: Called after each step: the seed, and what `search.Progress` has.
Progress = Callable[[int, str, Step, Step, int, Optional[int]], None]
# What is told of each method, of the architectures that its searches found.
_TOLD = ("score", "truth", "regret", "core_seconds")


@dataclass(frozen=True)
class Several:
    """The same search under several seeds.

    Attributes:
        searches: one a seed; the last one may be incomplete.
        complete: False where the run was interrupted.
        folder: where it was written, if anywhere.
    """

    searches: Tuple[Found, ...]
    complete: bool = True
    folder: Optional[Path] = None

    def courses(self, control: bool = False) -> List[Course]:
        """What the method did under each seed, or random search beside it, where it has begun."""
        every = [found.control if control else found.course for found in self.searches]
        return [course for course in every if course is not None and course.steps]

    def summary(self, control: bool = False) -> Dict[str, Any]:
        """Mean, standard deviation and extremes over the seeds of what was found, and of its cost; None without any."""
        truth = self.searches[0].truth if self.searches else None
        ends = [plain(course, truth) for course in self.courses(control)]
        values = [{**(end["best"] or {}), "regret": end["regret"], "core_seconds": end["core_seconds"]} for end in ends]
        return {"seeds": len(ends), **{key: _spread([value.get(key) for value in values]) for key in _TOLD}}

    @property
    def failure(self) -> str:
        """Why nothing was found, where no architecture could be scored under any seed; empty otherwise."""
        reasons = [found.failure for found in self.searches]
        return reasons[0] if reasons and all(reasons) else ""

    @property
    def remarks(self) -> List[str]:
        """What is to be known of how it searched, each once."""
        return list(dict.fromkeys(remark for found in self.searches for remark in found.remarks))

    def to_json(self) -> Dict[str, Any]:
        """The searches as plain data, without their steps: each seed's folder has those."""
        every = [found.to_json() for found in self.searches]
        for found in every:
            for course in filter(None, (found, found["control"])):
                course.pop("history")
        return {
            "seeds": [found["seed"] for found in every],
            "summary": {"found": self.summary(), "random": self.summary(control=True)},
            "remarks": self.remarks,
            "searches": every,
            "complete": self.complete,
            "version": __version__,
            "folder": None if self.folder is None else str(self.folder),
        }


def search_seeds(
    space: Union[str, SearchSpace[Any], Scorer],
    seeds: int,
    *,
    seed: int = 0,
    out: Union[str, Path, None] = None,
    progress: Progress = lambda seed, method, step, best, done, total: None,
    **options: Any,
) -> Several:
    """Search under several seeds, one after the other: ``search_seeds("nasbench201", 5, evaluations=450)``.

    Each search is kept step by step, so that the same call goes on where it stopped; with more seeds it does only what
    is new. The seed is that of the scores, too: every search has its own signals and initial weights.

    Args:
        space: a search space, its name, or a scorer, whose seed is the first.
        seeds: how many.
        seed: the first; the others follow it.
        out: a folder for result.json, band.csv and search.png (.svg, .pdf), with a folder for each seed; None: nothing
            is written.
        progress: called after each step.
        options: of `search.search`.

    Raises:
        InputError: fewer than one seed, or as `search.search`.
        Interrupted: Ctrl-C or SIGTERM; everything done is in the store.
    """
    check_whole("seeds", seeds)
    scorer = space if isinstance(space, Scorer) else None
    first = seed if scorer is None else scorer.seed
    name = scorer.space.name if scorer is not None else getattr(space, "name", space)
    folder = None if out is None else files.search_folder(out, {"space": str(name), "first seed": first})
    done: List[Found] = []

    def one(number: int) -> Found:
        def show(method: str, step: Step, best: Step, count: int, total: Optional[int]) -> None:
            progress(number, method, step, best, count, total)

        place = None if folder is None else folder / f"seed-{number}"
        if scorer is not None:
            return search.search(scorer.at(seed=number), out=place, progress=show, **options)
        return search.search(space, seed=number, out=place, progress=show, **options)

    def result(complete: bool) -> Several:
        made = Several(tuple(done), complete, folder)
        if folder is not None:
            seeds_report.write(made, folder)
        return made

    for number in range(first, first + seeds):
        try:
            done.append(one(number))
        except Interrupted as stopped:
            done.append(stopped.result)
            raise Interrupted(result(complete=False), f"{number - first} seeds and {stopped.done}") from None
    return result(complete=True)


def _spread(values: List[Optional[float]]) -> Optional[Mapping[str, Any]]:
    """Mean, standard deviation (of a sample) and extremes of those that are known."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else None
    spread = {"mean": statistics.fmean(known), "deviation": deviation, "least": min(known), "most": max(known)}
    return {"known": len(known), **spread}
