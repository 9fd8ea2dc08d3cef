"""The rows of the tables and figures of arXiv:2108.01899, as plain data: which architectures, scored how, and what the
paper prints."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Dict, List, Mapping, Tuple

from naslib_gennas.regression import tasks

#: The figures that the paper prints, by measure, search space and data set.
PAPER: Mapping[str, Any] = json.loads(
    (resources.files("naslib_gennas") / "data" / "paper_figures.json").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Row:
    """One figure of a table: how it is measured, and what the paper prints there.

    Attributes:
        line, column: where it stands. Rows in the same place are runs of several seeds, and show as their mean.
        space: the search space.
        proxy: what architectures are scored by; empty where `absent` says why there is no figure of ours.
        data_set: a word of the column's name in the ground truth; empty: its first column.
        profile: what is changed in the profile of the scale.
        seed: added to the run's seed for scoring; the sample stays the same.
        published: the paper's figures, by measure.
        absent: why this package cannot measure it.
        full: at the full scale only.
        steps: also the correlation after fewer steps of the same training.
        few_shot: the task is searched first, on a few labelled architectures; `proxy` is what that search begins with.
    """

    line: str
    column: str
    space: str
    proxy: str
    data_set: str = ""
    profile: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    published: Mapping[str, float] = field(default_factory=dict)
    absent: str = ""
    full: bool = False
    steps: bool = False
    few_shot: bool = False


# ------------------------------------------------------------------------------------------ search spaces and methods

_NDS = {
    "DARTS": "darts",
    "DARTS-f": "darts-fix",
    "Amoeba": "amoeba",
    "ENAS": "enas",
    "ENAS-f": "enas-fix",
    "NASNet": "nasnet",
    "PNAS": "pnas",
    "PNAS-f": "pnas-fix",
    "ResNet": "resnet",
    "ResNeXt-A": "resnext-a",
    "ResNeXt-B": "resnext-b",
}
_IMAGENET = ("DARTS", "DARTS-f", "Amoeba", "ENAS", "NASNet", "PNAS", "ResNeXt-A", "ResNeXt-B")


@dataclass(frozen=True)
class Benchmark:
    """A search space with a data set, and where `PAPER` has its figures."""

    line: str
    space: str
    data_set: str
    keys: Tuple[str, str]


_101 = tuple(
    Benchmark(f"NAS-Bench-101, {name}", "nasbench101", name.replace("-", "").lower(), ("nasbench101", name))
    for name in ("CIFAR-10", "ImageNet")
)
_201 = tuple(
    Benchmark(f"NAS-Bench-201, {name}", "nasbench201", word, ("nasbench201", name))
    for name, word in (("CIFAR-10", "cifar10"), ("CIFAR-100", "cifar100"), ("ImageNet16-120", "imagenet16-120"))
)
_NDS_CIFAR = tuple(Benchmark(f"{name}, CIFAR-10", f"nds-{_NDS[name]}", "", ("nds_cifar10", name)) for name in _NDS)
_NDS_IMAGENET = tuple(
    Benchmark(f"{name}, ImageNet", f"nds-{_NDS[name]}-in", "", ("nds_imagenet", name)) for name in _IMAGENET
)
NLP = Benchmark("NAS-Bench-NLP, Penn Treebank", "nasbenchnlp", "ptb", ("nasbench_nlp", "PTB"))

_NOT_HERE = {
    "econas": "EcoNAS trains on a part of CIFAR-10; this package does not have it",
    "ppl@ep3": "the perplexity after three epochs of real training; this package does not train",
}


def _published(place: Benchmark, method: str) -> Dict[str, float]:
    """What the paper prints of a method, by measure."""
    names = {"spearman": "spearman", "kendall_tau": "kendall", "retrieval_at_top10pct": "retrieval 10%"}
    group, key = place.keys
    found = {measure: PAPER[table].get(group, {}).get(key, {}).get(method) for table, measure in names.items()}
    return {measure: value for measure, value in found.items() if value is not None}


def _method(place: Benchmark, method: str) -> Row:
    """A method of the paper's tables on a search space and data set."""
    absent = _NOT_HERE.get(method, "")
    own = method in ("single", "combo") or method.startswith("search")
    kind = "nlp-" if place.space == "nasbenchnlp" else ""
    proxy = "" if absent else f"gennas-{kind}{method}" if own else method
    return Row(
        place.line, method, place.space, proxy, place.data_set, published=_published(place, method), absent=absent
    )


_GENERIC = ("naswot", "synflow", "single", "combo", "search-N", "search-D", "search-R")


def methods(place: Benchmark) -> Tuple[Row, ...]:
    """All methods on a place: those of every place, and what else the paper prints there."""
    kinds = (PAPER["kendall_tau"], PAPER["spearman"], PAPER["retrieval_at_top10pct"])
    printed = [name for kind in kinds for name in kind.get(place.keys[0], {}).get(place.keys[1], {})]
    usual = ("single", "combo", "search") if place.space == "nasbenchnlp" else _GENERIC
    others = [name for name in dict.fromkeys(printed) if name not in usual]
    return tuple(_method(place, name) for name in (*others, *usual))


CNN = tuple(row for place in (*_101, *_201, *_NDS_CIFAR, *_NDS_IMAGENET) for row in methods(place))
BENCHMARKS = tuple(row for place in (*_101, *_201) for row in methods(place))

# ------------------------------------------------------------------------------------------------------------- tables

_SIGNALS = PAPER["signal_ablation_nasbench101_spearman"]
TABLE1 = tuple(
    Row(
        f"stage {stage}",
        signal,
        "nasbench101",
        f"gennas-{signal}@{stage}",
        "cifar10",
        published={"spearman": _SIGNALS[f"stage{stage}"][_SIGNALS["columns"].index(signal)]},
    )
    for stage in (1, 2, 3)
    for signal in tasks.SINGLE_SIGNALS
)

#: The spaces of tables 5 and 6, each with the task that was searched on it.
_TASKS_OF = (
    ("NAS-Bench-101", "nasbench101", "search-N", "cifar10"),
    ("DARTS", "nds-darts", "search-D", ""),
    ("ResNet", "nds-resnet", "search-R", ""),
)
TABLE5 = tuple(
    Row(
        f"{name}, {task}",
        f"seed {seed + 1}",
        space,
        f"gennas-{task}",
        data_set,
        seed=seed,
        published={"spearman": PAPER["seeds_spearman"][name.replace("NAS-Bench-101", "nasbench101")][seed]},
    )
    for name, space, task, data_set in _TASKS_OF
    for seed in range(10)
)
#: Weights and biases of table 6, as `networks.initialise` calls them.
_WAYS = {
    "as the benchmark": "as is",
    "PyTorch's": "default",
    "zero bias": "zero bias",
    "Kaiming": "kaiming weights",
    "Kaiming, zero bias": "kaiming",
    "Xavier": "xavier weights",
    "Xavier, zero bias": "xavier",
}
TABLE6 = tuple(
    Row(f"{name}, {task}", label, space, f"gennas-{task}", data_set, {"initialise": way})
    for name, space, task, data_set in (
        ("NAS-Bench-101", "nasbench101", "single", "cifar10"),
        ("NAS-Bench-101", "nasbench101", "combo", "cifar10"),
        *_TASKS_OF,
    )
    for label, way in _WAYS.items()
)

_SEEDS = 10


def _searches(place: Benchmark, space: str, method: str, published: Mapping[str, float]) -> Tuple[Row, ...]:
    """Searches by a method with several seeds; two of them at the small scale."""
    return tuple(
        Row(
            place.line,
            method,
            space,
            "gennas-nlp-search" if space == "nasbenchnlp" else f"gennas-{method}",
            place.data_set,
            seed=seed,
            published=published,
            full=seed > 1,
        )
        for seed in range(_SEEDS)
    )


def _found(place: Benchmark, figures: Mapping[str, float]) -> List[Row]:
    """The line of a place in the table of searches: what is optimal, and what the searches find."""
    rows = [Row(place.line, "optimal", place.space, "", place.data_set, published={"found": figures["optimal"]})]
    names = [name for name in figures if name.startswith("search-")]
    for name in names:
        rows += _searches(place, place.space, name, {"found": figures[name]})
    for name in figures:
        if name not in ("optimal", *names):
            why = "a search of another paper, quoted in this table"
            rows.append(Row(place.line, name, place.space, "", absent=why, published={"found": figures[name]}))
    return rows


_ENDS = PAPER["end_to_end"]
TABLE3 = (
    *_found(_101[0], _ENDS["nasbench101"]),
    *(row for place in _201 for row in _found(place, _ENDS["nasbench201"][place.keys[1]])),
    *(
        row
        for place in _NDS_CIFAR
        if place.keys[1] in _ENDS["nds_cifar10"]
        for row in _found(place, _ENDS["nds_cifar10"][place.keys[1]])
    ),
    *_searches(NLP, "nasbenchnlp", "search", {"regret": _ENDS["nasbench_nlp"]["final_regret"]}),
)
_IMAGENET_SEARCH = _ENDS["imagenet_darts"]
TABLE4 = tuple(
    Row(
        "DARTS at ImageNet's size",
        name,
        "darts",
        proxy,
        published={
            measure: _IMAGENET_SEARCH[name][key]
            for measure, key in (("params (M)", "params_M"), ("multiply-additions (M)", "flops_M"))
            if name in _IMAGENET_SEARCH
        },
        few_shot=name == "search-D14",
    )
    for name, proxy in (("combo", "gennas-combo"), ("search-D", "gennas-search-D"), ("search-D14", "gennas-combo"))
)

_SECONDS = PAPER["gtx1080ti_seconds_per_iteration_batch16"]
_PLACES10 = {
    "NAS-Bench-101": ("nasbench101", "nasbench101"),
    "NAS-Bench-201": ("nasbench201", "nasbench201"),
    **{name: (f"nds-{_NDS[name]}", name) for name in _NDS},
    "NAS-Bench-NLP": ("nasbenchnlp", "nasbench_nlp"),
}
TABLE10 = tuple(
    Row(
        line,
        f"batch {images}",
        space,
        "gennas-nlp-combo" if space == "nasbenchnlp" else "gennas-combo",
        profile={"sequences" if space == "nasbenchnlp" else "images": images},
        published={"seconds an iteration": _SECONDS[key]} if images == 16 else {},
        full=images not in (4, 16),
    )
    for line, (space, key) in _PLACES10.items()
    for images in (2, 4, 8, 16, 32, 64, 128)
)

# ------------------------------------------------------------------------------------------------------------- figures

FIGURE5 = tuple(
    _method(place, method)
    for place in (_101[0], _201[0])
    for method in (
        *("grad_norm", "snip", "grasp", "fisher", "jacob_cov", "synflow", "naswot"),
        *("single", "combo", "search-N"),
    )
)
FIGURE6 = tuple(
    Row("NAS-Bench-101, CIFAR-10", method, "nasbench101", "", "cifar10", seed=seed, full=seed > 2)
    for seed in range(_SEEDS)
    for method in ("evolution", "random search")
)
_IMAGES = tuple(2**power for power in range(11))
REGRESSION = tuple(
    Row(
        line,
        f"{images} image{'s' * (images > 1)}",
        "nasbench101",
        proxy,
        "cifar10",
        {"images": images},
        seed=seed,
        full=images > 32 or seed > 1,
        steps=proxy == "gennas-combo" and images == 16,
    )
    for line, proxy in (("regression", "gennas-combo"), ("classification", "classification"))
    for images in _IMAGES
    for seed in range(_SEEDS)
)
