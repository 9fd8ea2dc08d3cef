"""GenNASRegularizedEvolution: evolution on regression scores, driven by NASLib's own Trainer; no label is queried."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import math
from types import SimpleNamespace
from typing import Any, Dict, List, Mapping, Optional, Tuple

import torch

from naslib_gennas.errors import InputError, check_whole
from naslib_gennas.plugin import compat
from naslib_gennas.plugin.config import KEYS
from naslib_gennas.plugin.graph_space import NaslibSpace
from naslib_gennas.plugin.notations import Spec
from naslib_gennas.plugin.scoring import GraphScorer, Settings, task_of
from naslib_gennas.proxies import gennas
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.studies import race
from naslib_gennas.studies.evolution import Evolution, Individual, differences
from naslib_gennas.studies.race import Finalist

compat.require_naslib()

from naslib.optimizers.core.metaclasses import MetaOptimizer  # noqa: E402 - after the shims
from naslib.search_spaces.core.query_metrics import Metric  # noqa: E402

logger = logging.getLogger(__name__)

#: Of the checkpoints; another number is refused.
CHECKPOINT_VERSION = 1
_PREFIX = "gennas_search_"
_UNKNOWN = float("nan")


class GenNASRegularizedEvolution(MetaOptimizer):
    """Regularized evolution (ageing) whose fitness is the regression score of NASLib's graphs.

    One architecture an epoch. The paper's settings are the defaults: population 50, tournament 10, and 400 cycles after
    the population is full, which makes 450 epochs. Keys are read from ``config.search``: ``population_size``,
    ``sample_size`` (the tournament), ``gennas_task`` (a key such
    as ``gennas_combo`` or a task), ``gennas_profile``, ``gennas_steps``, ``gennas_seeds``, ``gennas_inputs``,
    ``gennas_network``, ``gennas_finalists``; the seed is ``search.seed``, or else ``config.seed``. After the last epoch
    the best architectures race at the full depth of the space's networks for being the final one, as in
    `naslib_gennas.studies.race`: a fifth of them where the profile shrinks the networks, or ``gennas_finalists``.

    Args:
        config: NASLib's configuration.

    Raises:
        InputError: a key has a wrong value.
    """

    using_step_function = False

    def __init__(self, config: Any) -> None:
        super().__init__()
        search = config.search
        sections = (config, search)  # what stands under `search:` goes before what stands at the top
        ours = SimpleNamespace(**{key: getattr(one, key) for one in sections for key in KEYS if hasattr(one, key)})
        self.config = config
        self.dataset = getattr(config, "dataset", None)
        self.epochs = _whole(search, "epochs", 450, 1)
        self.population_size = _whole(search, "population_size", 50, 1)
        self.sample_size = _whole(search, "sample_size", 10, 1)
        self.seed = _whole(search, "seed", _whole(config, "seed", 0, 0), 0)
        self.count = _whole(ours, "gennas_finalists", -1, -1)
        self.task = task_of(str(getattr(ours, "gennas_task", "gennas_plus")))
        self.scorer = GraphScorer(
            Settings(
                profile=getattr(ours, "gennas_profile", None) or None,
                inputs=getattr(ours, "gennas_inputs", "photos"),
                seed=self.seed,
                seeds=_whole(ours, "gennas_seeds", 1, 1),
                steps=_whole(ours, "gennas_steps", 0, 0) or None,  # NASLib's configs have no None
                network=getattr(ours, "gennas_network", "native"),
            )
        )
        self.performance_metric = Metric.VAL_ACCURACY
        self.space: Optional[NaslibSpace] = None
        self.evolution: Optional[Evolution[Spec]] = None
        self.finalists: List[Finalist] = []
        self.dataset_api: Any = None
        self._true: Dict[Tuple[Spec, Any], float] = {}

    def adapt_search_space(self, search_space: Any, scope: Any = None, dataset_api: Any = None) -> None:
        """Take the space to search in; with a `dataset_api` the incumbent's true accuracy is reported."""
        space = self.space = NaslibSpace(search_space, self.scorer.settings.network, dataset_api)
        self.evolution = Evolution(
            space.sample,
            space.mutate,
            population=self.population_size,
            tournament=self.sample_size,
            seed=self.seed,
            encode=space.format,
            decode=space.parse,
        )
        self.scope = scope if scope else search_space.OPTIMIZER_SCOPE
        self.dataset_api = dataset_api

    def new_epoch(self, epoch: int) -> None:
        """Score one architecture: a sampled one until the population is full, then a tournament winner's mutant.

        The last epoch is followed by the race of the finalists.
        """
        space, evolution = self._search()
        individual = evolution.ask()
        score = self.scorer.score_spec(space, individual.genome, self.task)
        told = evolution.tell(individual, score.value)
        if len(evolution.history) == self.epochs:
            self._race(space, evolution)
        logger.info("gennas: %s scored %s, incumbent %s", told.genome, told.fitness, self._incumbent().genome)

    def _race(self, space: NaslibSpace, evolution: Evolution[Spec]) -> None:
        settings = self.scorer.settings
        profile = settings.resolved()
        count = self.epochs // race.SHARE * race.usual(space, profile) if self.count < 0 else self.count
        scored = ((one.id, one.genome, one.fitness) for one in evolution.history if one.fitness is not None)
        entrants = race.entrants(scored, space, count)
        if not entrants or space.kind != "cnn":  # recurrent networks have no depth to be cut to
            return
        scorer = Scorer.of(
            space, f"{gennas.PREFIX}{self.task}", profile=profile, inputs=settings.inputs, seed=self.seed, workers=1
        )
        for found, _ in race.race(entrants, race.deep(scorer), None, math.inf, judge=race.judge(scorer)):
            self.finalists = found
        logger.info("gennas: %d finalists raced; the winner is %s", len(self.finalists), self._incumbent().genome)

    def get_final_architecture(self) -> Any:
        """A new graph of the winner of the finalists' race, or of the architecture with the highest score before it.

        Raises:
            InputError: nothing has been scored yet.
        """
        return self._search()[0].graph(self._incumbent().genome)

    def train_statistics(self, report_incumbent: bool = True) -> Tuple[float, float, float, float]:
        """Train, validation and test accuracy and training time in the benchmark; NaN for what nobody knows."""
        spec = (self._incumbent() if report_incumbent else self._search()[1].history[-1]).genome
        metrics = (Metric.TRAIN_ACCURACY, Metric.VAL_ACCURACY, Metric.TEST_ACCURACY, Metric.TRAIN_TIME)
        train, valid, test, seconds = (self._query(spec, metric) for metric in metrics)
        return train, valid, test, seconds

    def test_statistics(self) -> Dict[str, Any]:
        """The incumbent, its score and how many architectures have been scored."""
        best = self._incumbent()
        return {"architecture": str(best.genome), "score": best.fitness, "evaluations": self._evaluations()}

    def get_op_optimizer(self) -> Any:
        """There is none: weights live as long as a score takes."""
        raise NotImplementedError("regression scoring trains no weights that could be kept")

    def get_model_size(self) -> float:
        """Zero: the search keeps no weights."""
        return 0.0

    def get_checkpointables(self) -> Dict[str, Any]:
        """Population, ages, fitness and random state, in the form that NASLib's Trainer saves and loads."""
        return {"model": _SearchState(self)}

    def state(self) -> Dict[str, Any]:
        """Everything that the search needs to go on, ready for JSON.

        Every architecture scored, with parent, birth and fitness; the population is the youngest of them, and the
        random numbers of each come from the seed and its place.
        """
        space, evolution = self._search()
        return {
            "version": CHECKPOINT_VERSION,
            "space": space.name,
            "settings": self._settings(),
            "search": evolution.state(),
            # The seconds that a score took are not the same again in a search that is.
            "finalists": [{**dataclasses.asdict(one), "seconds": 0.0} for one in self.finalists],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave.

        Raises:
            InputError: the state is of another version, space or other settings; the message shows the difference.
        """
        if state.get("version") != CHECKPOINT_VERSION:
            raise InputError(
                f"checkpoint has version {state.get('version')!r}; this version of naslib-gennas reads "
                f"{CHECKPOINT_VERSION}: start the search in another out_dir"
            )
        space, evolution = self._search()
        if state["space"] != space.name:
            raise InputError(
                f"checkpoint is of the space '{state['space']}', this search is in '{space.name}': use another out_dir"
            )
        differing = differences(state["settings"], json.loads(json.dumps(self._settings())))
        if differing:
            raise InputError(f"checkpoint was made with other settings ({differing}): resume with the same ones")
        evolution.restore(state["search"])
        self.finalists = [Finalist(**one) for one in state.get("finalists", [])]

    def _settings(self) -> Dict[str, Any]:
        settings = self.scorer.settings
        return {
            "gennas_task": self.task,
            "gennas_profile": dataclasses.asdict(settings.resolved()),
            "gennas_seeds": settings.seeds,
            "gennas_inputs": settings.inputs,
        }

    def _search(self) -> Tuple[NaslibSpace, Evolution[Spec]]:
        if self.space is None or self.evolution is None:
            raise InputError("gennas_re has no search space yet: call adapt_search_space first")
        return self.space, self.evolution

    def _evaluations(self) -> int:
        return len(self._search()[1].history)

    def _incumbent(self) -> Individual[Spec]:
        evolution = self._search()[1]
        best = evolution.best
        if self.finalists and self.finalists[0].status == "ok":
            best = next(one for one in evolution.history if one.id == self.finalists[0].id)
        if best is None:
            raise InputError("gennas_re has scored nothing yet: run the search, or resume from its checkpoint")
        return best

    def _query(self, spec: Spec, metric: Any) -> float:
        if self.dataset_api is None:
            return _UNKNOWN
        if (spec, metric) not in self._true:
            try:
                value = self._search()[0].light_graph(spec).query(metric, self.dataset, dataset_api=self.dataset_api)
                self._true[spec, metric] = _UNKNOWN if value is None or value == -1 else float(value)
            except (AssertionError, KeyError, NotImplementedError, TypeError, ValueError) as error:
                logger.debug("the benchmark does not know %s of %s: %r", metric, spec, error)
                self._true[spec, metric] = _UNKNOWN
        return self._true[spec, metric]


class _SearchState(torch.nn.Module):
    """A search as NASLib's checkpointer wants it: a module whose state is tensors."""

    def __init__(self, search: GenNASRegularizedEvolution) -> None:
        super().__init__()
        self._search = search

    def state_dict(self, *args: Any, **kwargs: Any) -> Dict[str, torch.Tensor]:
        content = json.dumps(self._search.state()).encode()
        # The checkpointer drops tensors that changed their shape under the same name; this name changes with them.
        name = _PREFIX + hashlib.sha256(content).hexdigest()[:16]
        return {name: torch.frombuffer(bytearray(content), dtype=torch.uint8)}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        found = [value for name, value in state_dict.items() if name.startswith(_PREFIX)]
        if len(found) != 1:
            raise InputError("checkpoint is not one of gennas_re: another optimizer wrote it; use another out_dir")
        self._search.restore(json.loads(bytes(found[0].numpy().tobytes())))
        return torch.nn.modules.module._IncompatibleKeys([], [])


def _whole(section: Any, key: str, usual: int, least: int) -> int:
    value = getattr(section, key, usual)
    check_whole(f"config key '{key}'", value, least)
    return value
