"""Score NASLib's graphs: which proxy a NASLib key means, and one cache for every way that NASLib asks."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

import torch

from naslib_gennas import proxies
from naslib_gennas.errors import InputError, check_whole, suggest
from naslib_gennas.plugin.graph_network import staged_network
from naslib_gennas.plugin.graph_space import NaslibSpace, options_of
from naslib_gennas.plugin.notations import Spec
from naslib_gennas.plugin.taps import taps_of
from naslib_gennas.proxies import Proxy, Score, gennas
from naslib_gennas.proxies.measure import measure
from naslib_gennas.regression import profiles, tasks
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.regression.tasks import ProxyTask
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.scoring.store import Store

#: What a NASLib config calls our measures and predictors -> the proxy task behind it; `plus` is that of `gennas-plus`.
TASKS: Mapping[str, str] = {
    "gennas": "combo",
    "gennas_single": "single",
    "gennas_combo": "combo",
    "gennas_n": "search-N",
    "gennas_d": "search-D",
    "gennas_r": "search-R",
    "gennas_plus": "plus",
}
#: The key of the predictor that learns from a few labels.
FEW_SHOT = "gennas_fewshot"
#: The task of recurrent networks that stands for one of image networks.
RNN_TASKS: Mapping[str, str] = {
    "combo": "nlp-combo",
    "single": "nlp-single",
    "search-N": "nlp-search",
    "search-D": "nlp-search",
    "search-R": "nlp-search",
}
#: What NASLib gets for a score that is not finite, as its own ZeroCost does: its evaluators cannot rank infinities.
LOWEST = -1e8


@dataclass(frozen=True)
class Settings:
    """How NASLib's graphs are scored.

    Attributes:
        profile: what a score may cost; a name, a YAML file, a mapping or a `Profile`; None is the default profile.
        inputs: the input batch, as `--inputs` of the command line calls it.
        seed: of initialisation, targets and noise.
        seeds: a score is the mean over this many seeds, from `seed` up.
        steps: training steps in place of the profile's.
        network: "native" (our own network of the same architecture where there is one) or "graph" (NASLib's).
    """

    profile: Union[str, Mapping[str, Any], Profile, None] = None
    inputs: str = "photos"
    seed: int = 0
    seeds: int = 1
    steps: Optional[int] = None
    network: str = "native"

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("seeds", 1)):
            check_whole(f"gennas: {name}", getattr(self, name), least)
        self.resolved()

    def resolved(self) -> Profile:
        """The profile that these settings come to."""
        profile = profiles.get(self.profile)
        if self.steps is None:
            return profile
        return profile.replace(name=f"{profile.name}-{self.steps}", steps=self.steps, steps_per_norm=None)


def task_of(method: str) -> str:
    """The proxy task behind a NASLib key such as ``gennas_combo``; a task's own name or YAML file is taken as it is.

    Raises:
        InputError: no such key and no such task.
    """
    if method in TASKS:
        return TASKS[method]
    if method.startswith("gennas"):
        raise InputError(f"unknown measure '{method}'{suggest(method, TASKS)}")
    return tasks.get(method).name if not method.endswith((".yaml", ".yml")) else method


def cnn_tasks() -> List[str]:
    """The shipped tasks that score image networks, `combo` first."""
    found = [name for name in tasks.names() if tasks.get(name).kind == "cnn"]
    return sorted(found, key=lambda name: (name != "combo", name))


class GraphScorer:
    """Scores graphs and architectures of NASLib's search spaces, each once for the same proxy and settings.

    Every score comes from a `Scorer` of the graph's search space; what it keeps is keyed by that scorer's identity,
    never by a graph, since all clones of a NASLib graph are equal to it.

    Args:
        settings: how they are scored.

    Attributes:
        store: the finished scores.
    """

    def __init__(self, settings: Optional[Settings] = None) -> None:
        self.settings = Settings() if settings is None else settings
        self.store = Store()
        self._spaces: Dict[str, NaslibSpace] = {}
        self._scorers: Dict[Tuple[str, str, str, int], Scorer] = {}

    @property
    def scored(self) -> int:
        """How many scores have been computed."""
        return sum(run["scores"] for run in self.store.runs())

    def forget(self) -> None:
        """Forget the scores that have been computed."""
        self.store.prune()

    def space(self, graph: Any) -> NaslibSpace:
        """The search space of a graph, with the graph's options."""
        name = json.dumps([taps_of(graph).name, options_of(graph)], default=str, sort_keys=True)
        if name not in self._spaces:
            self._spaces[name] = NaslibSpace(graph, self.settings.network)
        return self._spaces[name]

    def kind(self, graph: Any) -> str:
        """ "cnn" or "rnn": what kind of network is scored for a graph."""
        return self.space(graph).kind if _has_notation(graph) else "cnn"

    def score(self, graph: Any, task: Union[str, ProxyTask, Proxy], device: Union[str, torch.device] = "cpu") -> Score:
        """The score of a parsed or unparsed graph of NASLib, which stays as it was.

        Args:
            graph: it must have an architecture, or be runnable where its space has no notation.
            task: a proxy task, its name, or its YAML file; or any proxy.
            device: where to train.

        Raises:
            InputError: the graph cannot be scored; the message says why and what would make it work.
        """
        if _has_notation(graph):
            space = self.space(graph)
            return self.score_spec(space, space.of(graph), task, device)
        proxy = self._proxy(task, "cnn")
        batch = proxy.batch("cnn", self.settings.inputs)
        return self._mean(lambda seed: measure(proxy, staged_network(graph, seed), batch, seed, device))

    def score_spec(
        self,
        space: NaslibSpace,
        spec: Spec,
        task: Union[str, ProxyTask, Proxy],
        device: Union[str, torch.device] = "cpu",
    ) -> Score:
        """The score of an architecture of a NASLib space."""

        def one(seed: int) -> Score:
            scorer = self.scorer(space, task, device, seed)
            record = scorer.one(spec)
            if record.status == "failed":
                raise InputError(f"{space.name}: {spec} could not be scored by {scorer.proxy.name}: {record.reason}")
            return Score(record.score, record.status, record.reason, record.details)

        return self._mean(one)

    def scorer(
        self,
        space: NaslibSpace,
        task: Union[str, ProxyTask, Proxy],
        device: Union[str, torch.device] = "cpu",
        seed: Optional[int] = None,
    ) -> Scorer:
        """The scorer of a NASLib space by a task or proxy under a seed (None: the first), always the same one.

        Each scorer that is made has a copy of the space to score with, and that is two graphs of NASLib.
        """
        proxy, settings = self._proxy(task, space.kind), self.settings
        seed = settings.seed if seed is None else seed
        name = json.dumps([space.name, space.options], default=str, sort_keys=True)
        about = (name, json.dumps([proxy.name, proxy.settings], default=str, sort_keys=True), str(device), seed)
        if about not in self._scorers:
            self._scorers[about] = Scorer.of(
                space,
                proxy,
                inputs=settings.inputs,
                seed=seed,
                device=str(device),
                workers=1,
                store=self.store,
            )
        return self._scorers[about]

    def _proxy(self, task: Union[str, ProxyTask, Proxy], kind: str) -> Proxy:
        if isinstance(task, Proxy):
            proxy = task
        elif isinstance(task, str):
            name = RNN_TASKS.get(task, task) if kind == "rnn" else task
            proxy = proxies.get(f"{gennas.PREFIX}{name}", self.settings.resolved())
        else:
            proxy = gennas.from_task(task, self.settings.resolved())
        if kind not in proxy.kinds:
            name = f"task '{proxy.name[len(gennas.PREFIX) :]}'" if proxy is not task else proxy.name
            raise InputError(f"{name} is for networks of kind {' and '.join(proxy.kinds)}, not {kind}")
        return proxy

    def _mean(self, measured: Callable[[int], Score]) -> Score:
        first = self.settings.seed
        scores = [measured(seed) for seed in range(first, first + self.settings.seeds)]
        bad = [score for score in scores if score.status != "ok"]
        if bad or len(scores) == 1:
            return (bad or scores)[0]
        # Of the details only numbers can be averaged.
        numbers = {
            name: sum(score.details[name] for score in scores) / len(scores)
            for name, value in scores[0].details.items()
            if isinstance(value, float) and all(name in score.details for score in scores)
        }
        return Score(sum(score.value for score in scores) / len(scores), details=numbers)


def _has_notation(graph: Any) -> bool:
    return hasattr(graph, "get_hash") and taps_of(graph).valid is not None


def finite(score: Score) -> float:
    """The number that NASLib gets for a score."""
    return score.value if math.isfinite(score.value) else LOWEST
