"""What a NASLib run needs besides graphs: true accuracies, and a batch where NASLib insists on a data loader."""

from __future__ import annotations

import importlib
import logging
import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch

from naslib_gennas import truth
from naslib_gennas.errors import InputError, suggest
from naslib_gennas.plugin import compat
from naslib_gennas.plugin.graph_space import NaslibSpace, neighbour_macro
from naslib_gennas.plugin.notations import Spec
from naslib_gennas.plugin.taps import TABLE, names, row_of
from naslib_gennas.regression import batches
from naslib_gennas.truth import data_sets

logger = logging.getLogger(__name__)

_DATASETS_201 = {
    "cifar10": "nb201_cifar10_full_training.pickle",
    "cifar100": "nb201_cifar100_full_training.pickle",
    "ImageNet16-120": "nb201_ImageNet16_full_training.pickle",
    "ninapro": "nb201_ninapro_full_training.pickle",
}
_FILES: Mapping[str, Sequence[str]] = {
    "nasbench101": ["nasbench_only108.pkl"],
    "nasbench301": ["nb_models_1.0", "nb301_full_training.pickle"],
    "transbench101_micro": ["transnas-bench_v10141024.pth"],
    "transbench101_macro": ["transnas-bench_v10141024.pth"],
    "nlp": ["nbnlp_v01", "nb_nlp.pickle"],
    "asr": ["nb-asr-info.pickle"],
}

# Mutants that are drawn for one that the table has.
_TRIES = 200

# The modules of NASLib that hold the function which makes data loaders, under the name they took it by.
_LOADER_HOLDERS = (
    "naslib.utils",
    "naslib.optimizers.discrete.bananas.optimizer",
    "naslib.optimizers.discrete.npenas.optimizer",
)


@dataclass(frozen=True)
class Benchmark:
    """A search space of NASLib with the accuracies that are known of it.

    Attributes:
        space: the space as ours.
        graph: a graph without an architecture, to be cloned by NASLib; with a table of accuracies it answers queries
            from the table and samples from it.
        dataset_api: NASLib's API object, or what stands for it.
        specs: the architectures whose accuracy is known; None: all.
    """

    space: NaslibSpace
    graph: Any
    dataset_api: Any
    specs: Optional[List[Spec]] = None

    def light_graph(self) -> Any:
        """`graph` without its network: clones of it take kilobytes, not megabytes."""
        light = self.space.light_graph()
        if type(self.graph) is not type(light):
            light.__class__ = type(self.graph)
        return light

    def sample(self, count: int, seed: int) -> List[Spec]:
        """Different architectures, drawn from those whose accuracy is known.

        Raises:
            InputError: fewer than `count` are known.
        """
        rng = np.random.default_rng(seed)
        if self.specs is not None:
            if count > len(self.specs):
                raise InputError(f"test_size {count}: the table has {len(self.specs)} architectures of this space")
            return [self.specs[i] for i in rng.choice(len(self.specs), count, replace=False)]
        most = self.space.count or math.inf
        if count > most:
            raise InputError(f"test_size {count}: {self.space.row.name} has {most} architectures")
        drawn: Dict[Spec, None] = {}
        while len(drawn) < count:
            drawn[self.space.sample(rng)] = None
        return list(drawn)

    def accuracy(self, spec: Spec, dataset: str) -> float:
        """The validation accuracy of an architecture."""
        from naslib.search_spaces.core.query_metrics import Metric

        light = self.light_graph()
        self.space.set(light, spec)
        return float(light.query(Metric.VAL_ACCURACY, dataset, dataset_api=self.dataset_api))


def load(name: str, dataset: str, table: str = "", network: str = "native") -> Benchmark:
    """A search space with NASLib's benchmark data, or with a table of accuracies in place of it.

    Args:
        name: the search space, as NASLib's runners call it.
        dataset: the data set, as they call it.
        table: accuracies, as ``--truth`` of the command line names it (``FILE:COLUMN``); empty: NASLib's data file.
        network: as of `NaslibSpace`.

    Raises:
        InputError: an unknown space or data set; a data file that is absent (it is named, with where it is expected);
            a table that does not fit.
    """
    graph = prototype(name, dataset)
    if table:
        space = NaslibSpace(graph, network)
        accuracies = read_truth(table, space, dataset)
        answer_from(space, graph, accuracies)
        return Benchmark(space, graph, space.api, list(accuracies))
    api = dataset_api(name, dataset)
    return Benchmark(NaslibSpace(graph, network, api), graph, api)


def prototype(name: str, dataset: str) -> Any:
    """A graph of a search space without an architecture, as NASLib's runners make it for a data set."""
    compat.require_naslib()
    import naslib.search_spaces as spaces

    if name not in names():
        raise InputError(f"config key 'search_space': unknown space '{name}'{suggest(name, names())}")
    if row_of(name).valid is None:
        raise InputError(
            f"config key 'search_space': NASLib can neither sample nor query {name}; make a graph of it runnable (a "
            "stem for 3 channels, one operation an edge) and score that: GenNASPredictor().query(graph)"
        )
    if name == "nasbench201" and dataset not in _DATASETS_201:
        raise InputError(f"config key 'dataset': unknown data set '{dataset}'{suggest(dataset, _DATASETS_201)}")
    if name in spaces.supported_search_spaces:
        return spaces.get_search_space(name, dataset)
    return NaslibSpace(name).fresh()


def require_data(name: str, dataset: str) -> None:
    """Refuse a benchmark whose data file is not where NASLib expects it.

    Raises:
        InputError: it is absent; the message names it, its place, and what works without it.
    """
    compat.require_naslib()
    wanted = [_DATASETS_201[dataset]] if name == "nasbench201" and dataset in _DATASETS_201 else _FILES.get(name, [])
    folder = compat.data_folder()
    assert folder is not None
    for file in wanted:
        if not (folder / file).exists():
            raise InputError(
                f"{name} on {dataset} needs the benchmark data file {file}, which NASLib expects at {folder / file}: "
                "get it as NASLib's README says, or name a table of accuracies in the config (truth: FILE.csv:COLUMN) "
                "of naslib_gennas.plugin.nas, .predictors or .zc"
            )


def dataset_api(name: str, dataset: str) -> Any:
    """NASLib's API object of a benchmark; nothing is downloaded.

    Raises:
        InputError: a data file or package is absent.
    """
    require_data(name, dataset)
    from naslib import utils

    try:
        return utils.get_dataset_api(name, dataset)
    except NotImplementedError as error:
        raise InputError(
            f"NASLib has no benchmark of {name} on {dataset}: there is no accuracy to compare with or to query"
        ) from error
    except (AssertionError, ImportError, OSError, ValueError) as error:
        raise InputError(f"{name} on {dataset}: {' '.join(str(error).split()) or type(error).__name__}") from error


def read_truth(text: str, space: NaslibSpace, dataset: str = "") -> Dict[Spec, float]:
    """The accuracies of a table by NASLib's hash of their architecture.

    Args:
        text: the table, as ``--truth`` of the command line names it. What it is, and which of its values are taken
            for better, is printed.
        space: the search space.
        dataset: what the accuracies are taken for; empty: whatever they are.

    Raises:
        InputError: the table does not fit the space, or says that it is of another data set.
    """
    if space.row.from_native is None:
        known = sorted({row.name for row in TABLE if row.from_native is not None})
        raise InputError(f"truth '{text}': tables are read for {', '.join(known)}, not for {space.row.name}")
    own = space.own_space()
    table = truth.load(text, own)
    measured = data_sets.of(table)
    if dataset and measured is None:
        logger.info("truth '%s' does not say on which data set; the config's '%s' is taken", text, dataset)
    elif dataset and measured != data_sets.plain(dataset):
        raise InputError(
            f"truth '{text}': its column {table.column} is of {measured}, the config says dataset: {dataset}; set the "
            "one that is meant, or name another column (truth: FILE:COLUMN)"
        )
    print(f"truth: {table.name} ({table.direction})", *table.remarks, sep="\n")
    return {space.row.from_native(own.parse(arch)): table.better(value) for arch, value in table.texts.items()}


def answer_from(space: NaslibSpace, graph: Any, table: Mapping[Spec, float]) -> None:
    """Make `graph`, its clones and their neighbours answer queries from `table`, sample from it and stay in it."""
    cls = type(graph)
    # The class keeps its name: the table of taps and NASLib's own code go by it.
    methods = {**answers(space, cls, table), "__module__": cls.__module__}
    graph.__class__ = type(cls.__name__, (cls,), methods)


def answers(space: NaslibSpace, cls: Any, table: Mapping[Spec, float]) -> Dict[str, Any]:
    """The methods with which graphs of a class of NASLib answer from a table of accuracies."""
    from naslib.search_spaces.core.query_metrics import Metric

    known: List[Spec] = list(table)
    mutate_theirs: Any = getattr(cls, "mutate", None)
    neighbours_of: Any = getattr(cls, "get_nbhd", None)

    def query(
        self: Any,
        metric: Any = None,
        dataset: Any = None,
        path: Any = None,
        epoch: int = -1,
        full_lc: bool = False,
        dataset_api: Any = None,
    ) -> Any:
        spec = compat.plain(self.get_hash())
        if spec not in table:
            raise InputError(f"the table of accuracies does not have the architecture {spec}")
        if metric in (Metric.VAL_ACCURACY, Metric.TEST_ACCURACY) and not full_lc:
            return table[spec]
        if metric == Metric.RAW:
            return {"accuracy": table[spec]}
        if full_lc:
            raise InputError(f"{metric} over epochs is asked for; a table of accuracies has final ones only")
        return float("nan")

    def sample(self: Any, dataset_api: Any = None, load_labeled: bool = False) -> None:
        space.set(self, known[np.random.randint(len(known))])

    def mutate(self: Any, parent: Any, dataset_api: Any = None) -> None:
        if getattr(self, "any_mutant", False):
            mutate_theirs(self, parent, dataset_api=dataset_api)
            return
        spec = compat.plain(parent.get_hash())
        # A graph with a network takes one architecture only.
        light = space.light_graph()
        for _ in range(_TRIES):
            if space.row.name == "transbench101_macro":  # NASLib's own raises TypeError
                child = neighbour_macro(spec, np.random.default_rng(np.random.randint(2**31)))
            else:
                mutate_theirs(light, parent, dataset_api=space.api if dataset_api is None else dataset_api)
                child = compat.plain(light.get_hash())
            if child in table:
                space.set(self, child)
                return
        raise InputError(
            f"the table of accuracies has none of {_TRIES} mutants of {spec}: optimizers that mutate need a table of "
            "(nearly) the whole space; 'rs' and 'gennas_re' do not"
        )

    def neighbours(self: Any, dataset_api: Any = None) -> List[Any]:
        models = [one for one in neighbours_of(self, dataset_api) if compat.plain(one.arch.get_hash()) in table]
        if not models:
            raise InputError(
                f"the table of accuracies has no neighbour of {compat.plain(self.get_hash())}: local search needs a "
                "table of (nearly) the whole space"
            )
        for model in models:  # NASLib makes them of the class that knows no table
            model.arch.__class__ = type(self)
        return models

    methods: Dict[str, Any] = {"query": query, "sample_random_architecture": sample}
    if neighbours_of is not None:
        methods.update(mutate=mutate, get_nbhd=neighbours)
    return methods


@contextmanager
def loaders_of_ours(inputs: str = "photos", count: int = 16) -> Iterator[None]:
    """Inside the block NASLib gets our input batch where it would download CIFAR.

    Args:
        inputs: the batch, as ``--inputs`` of the command line calls it.
        count: images in a batch; labels are drawn at random, since there are none.
    """
    batch = (batches.load(inputs, count, 32), torch.from_numpy(np.random.default_rng(0).integers(0, 10, count)))

    def get_train_val_loaders(config: Any = None, mode: str = "train", *args: Any, **kwargs: Any) -> Tuple[Any, ...]:
        return [batch], [batch], [batch], None, None

    held: List[Tuple[Any, Any]] = []
    for name in _LOADER_HOLDERS:
        try:
            module: Any = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(module, "get_train_val_loaders"):
            held.append((module, module.get_train_val_loaders))
            module.get_train_val_loaders = get_train_val_loaders
    try:
        yield
    finally:
        for module, original in held:
            module.get_train_val_loaders = original
