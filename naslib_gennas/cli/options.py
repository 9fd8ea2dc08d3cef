"""Options that several commands have, each written once.

Some come as a group that reaches the command as one parameter: `Scoring` (what is scored, how and where: the keyword
arguments of `Scorer.of`), `Limits`, `Truth` and `Output`. A new option of all commands that score is one parameter of
`_scoring`.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

import typer
from typer.core import TyperCommand
from typing_extensions import Annotated

from naslib_gennas.cli import printing
from naslib_gennas.errors import InputError

#: Makes an option in one of the four panels that help texts have.
what = functools.partial(typer.Option, rich_help_panel="What")
how_much = functools.partial(typer.Option, rich_help_panel="How much")
where = functools.partial(typer.Option, rich_help_panel="Where")
output = functools.partial(typer.Option, rich_help_panel="Output")


class Command(TyperCommand):
    """A command whose --help stands in the last panel of its help, not in one of its own before all others."""

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)
        if option is not None:
            option.rich_help_panel = "Output"
        return option


@dataclass(frozen=True)
class Group:
    """Marks a parameter of a command as a group of options: those of the context manager `make`, which gathers them."""

    make: Callable[..., Any]


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose groups of options are spelt out in its signature, where Typer reads them.

    The groups are entered from the last to the first: whether the output can be written is known before a cluster is
    started.
    """
    groups: Dict[str, Callable[..., Any]] = {}
    parameters: List[inspect.Parameter] = []
    for parameter in _parameters(command):
        marks = getattr(parameter.annotation, "__metadata__", ())
        group = next((mark for mark in marks if isinstance(mark, Group)), None)
        if group is None:
            parameters.append(parameter)
        else:
            groups[parameter.name] = group.make
            parameters += _parameters(group.make)

    @functools.wraps(command)
    def run(**given: Any) -> None:
        with contextlib.ExitStack() as stack:
            made = {}
            for name, make in reversed(list(groups.items())):
                own = {option.name: given.pop(option.name) for option in _parameters(make)}
                made[name] = stack.enter_context(make(**own))
            command(**given, **made)

    del run.__wrapped__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _parameters(function: Callable[..., Any]) -> List[inspect.Parameter]:
    """The parameters of a function, by keyword, with their annotations evaluated."""
    place = inspect.unwrap(function).__globals__
    return [
        parameter.replace(
            kind=inspect.Parameter.KEYWORD_ONLY,
            annotation=eval(parameter.annotation, place)
            if isinstance(parameter.annotation, str)
            else parameter.annotation,
        )
        for parameter in inspect.signature(function).parameters.values()
    ]


# ------------------------------------------------------------------------------------------------------ single options

SpaceName = Annotated[str, typer.Argument(metavar="SPACE", help="Search space; `gennas spaces` lists them.")]
ProxyName = Annotated[
    Optional[str],
    what(
        "--proxy",
        metavar="NAME",
        help="gennas-TASK or a baseline such as synflow.",
        show_default="gennas-plus",
    ),
]
TruthFolders = Annotated[
    Optional[List[Path]],
    what(
        "--truth-folder", metavar="DIR", help="Folder of tables; the search space of each is detected. May be repeated."
    ),
]
SpaceTruths = Annotated[
    Optional[List[str]],
    what(
        "--truth",
        metavar="SPACE=FILE",
        help="A table for a search space, or one column of it: SPACE=FILE:COLUMN. May be repeated.",
        show_default="installed tables",
    ),
]
SpacesLower = Annotated[bool, what("--lower-is-better", help="Lower is better in columns whose names do not say.")]
SpacesHigher = Annotated[
    bool,
    what("--higher-is-better", help="Higher is better in columns whose names do not say: as without either option."),
]
Count = Annotated[
    Optional[int], how_much("--n", min=1, metavar="N", help="Architectures to sample.", show_default="64")
]
Architectures = Annotated[
    Optional[Path],
    what("--archs", metavar="FILE", help="Score these instead of a sample: one per line, or a CSV or JSON table."),
]
TopPercent = Annotated[float, how_much("--top", metavar="PERCENT", help="Top X% used for the retrieval metric.")]
Population = Annotated[
    Optional[int], how_much("--population", metavar="N", help="Size of the population.", show_default="50")
]
Tournament = Annotated[
    Optional[int],
    how_much(
        "--tournament", metavar="N", help="Individuals drawn to compete for being the next parent.", show_default="10"
    ),
]
Nu = Annotated[
    Optional[str],
    what(
        "--nu",
        metavar="LIMIT",
        help="NASI's limit on the trace norm: adaptive, fixed, or a number.",
        show_default="adaptive",
    ),
]
Estimator = Annotated[
    Optional[str],
    what(
        "--estimator",
        metavar="NAME",
        help="NASI's gradient: likelihood, or gumbel-softmax as published.",
        show_default="likelihood",
    ),
]
Control = Annotated[
    Optional[bool],
    how_much(
        "--control/--no-control",
        help="Also run random search with the same budget, for comparison.",
        show_default="control, if the method can use it",
    ),
]
Resolution = Annotated[
    Optional[int],
    what(
        "--resolution",
        metavar="PIXELS",
        help="Height and width of the images. Some spaces have another network for ImageNet than for CIFAR.",
        show_default="as in the benchmark",
    ),
]
Cells = Annotated[
    Optional[int],
    what("--cells", metavar="N", help="Depth of the network that is trained (darts).", show_default="as published"),
]
Channels = Annotated[
    Optional[int],
    what("--channels", metavar="N", help="Width of the network that is trained (darts).", show_default="as published"),
]
OutFolder = Annotated[
    Optional[Path],
    output("--out", metavar="DIR", help="Folder for the results.", show_default="a new one in gennas-runs/"),
]
StoreFile = Annotated[
    Optional[Path],
    where("--store", metavar="FILE", help="File that keeps all scores.", show_default="one in the user's data folder"),
]
TruthTable = Annotated[
    Optional[str],
    what(
        "--truth",
        metavar="TABLE",
        help="Ground truth: an installed table, a benchmark's file, a CSV or JSON file (FILE:COLUMN), or none.",
    ),
]
LowerIsBetter = Annotated[
    bool, what("--lower-is-better", help="Lower values of the ground truth are better (a loss, an error, a time).")
]
HigherIsBetter = Annotated[
    bool,
    what(
        "--higher-is-better",
        help="Higher values of the ground truth are better. With neither option, the column's name decides.",
    ),
]


# ------------------------------------------------------------------------------------------------------------- groups


@contextlib.contextmanager
def _scoring(
    inputs: Annotated[
        Optional[str],
        what(
            "--inputs",
            metavar="NAME",
            help="Input batch: photos, noise, dead-leaves, fractals, gaussian-classes (NAME:SEED: others of the kind), "
            "cifar:FOLDER or FILE.npy.",
            show_default="the proxy's own, mostly photos",
        ),
    ] = None,
    seed: Annotated[int, what("--seed", min=0, metavar="N", help="Random seed for sampling and scoring.")] = 0,
    profile: Annotated[
        Optional[str],
        how_much(
            "--profile",
            metavar="NAME",
            help="Size and cost of the scoring: paper, fast, or a YAML file.",
            show_default="the proxy's own",
        ),
    ] = None,
    initialise: Annotated[
        Optional[str],
        what(
            "--initialise",
            metavar="HOW",
            help="Weights and biases: as is, default, kaiming, xavier, zero bias, kaiming weights, xavier weights.",
            show_default="as the profile says, mostly as is",
        ),
    ] = None,
    device: Annotated[str, where("--device", metavar="NAME", help="Where to train: cpu, cuda, cuda:1, ...")] = "cpu",
    workers: Annotated[
        Optional[int],
        where("--workers", min=1, metavar="N", help="Worker processes.", show_default="one for each core"),
    ] = None,
    scheduler: Annotated[
        Optional[str],
        where("--scheduler", metavar="ADDRESS", help="Compute on a Dask cluster: tcp://HOST:8786, or slurm."),
    ] = None,
    store: StoreFile = None,
) -> Iterator[Dict[str, Any]]:
    """What is scored, how and where: the keyword arguments of `Scorer.of`; a cluster is held while they are used."""
    from naslib_gennas.scoring.store import default_path

    with contextlib.ExitStack() as stack:
        executor = None
        if scheduler is not None:
            from naslib_gennas.scoring import cluster

            executor = stack.enter_context(cluster.executor(scheduler, workers))
        yield {
            "inputs": inputs,
            "seed": seed,
            "profile": profile,
            "initialise": initialise,
            "device": device,
            "workers": workers,
            "executor": executor,
            "store": store or default_path(),
        }


@contextlib.contextmanager
def _truth(
    truth: TruthTable = "installed", lower_is_better: LowerIsBetter = False, higher_is_better: HigherIsBetter = False
) -> Iterator[Dict[str, Any]]:
    """Which ground truth, and in which direction: keyword arguments of the studies."""
    yield {
        "truth": None if truth == "none" else truth,
        "higher_is_better": direction(lower_is_better, higher_is_better),
    }


@contextlib.contextmanager
def _limits(
    evaluations: Annotated[
        Optional[int],
        how_much(
            "--evaluations",
            metavar="N",
            help="Stop after this many evaluations.",
            show_default="450, or no limit with --budget",
        ),
    ] = None,
    budget: Annotated[
        Optional[str], how_much("--budget", metavar="TIME", help="Stop after this time: 90s, 10m, 2h.")
    ] = None,
) -> Iterator[Dict[str, Any]]:
    """What a search may cost: keyword arguments of the searches."""
    from naslib_gennas.studies.budget import seconds

    yield {"evaluations": evaluations, "budget": None if budget is None else seconds(budget)}


def sized(space: str, cells: Optional[int], channels: Optional[int]) -> Any:
    """The search space of a name, with `--cells` and `--channels` where they are given."""
    from naslib_gennas import spaces

    sizes = {"cells": cells, "channels": channels}
    return spaces.get(space, **{name: value for name, value in sizes.items() if value is not None})


def direction(lower_is_better: bool, higher_is_better: bool) -> Optional[bool]:
    """Whether more is better in the ground truth; None: its name decides.

    Raises:
        InputError: both are asked for.
    """
    if lower_is_better and higher_is_better:
        raise InputError("--lower-is-better and --higher-is-better contradict each other; give one of them, or neither")
    return True if higher_is_better else False if lower_is_better else None


@contextlib.contextmanager
def _output(
    json: Annotated[
        Optional[str],
        output("--json", metavar="FILE", help="Also write the result as JSON to a file, or to stdout with -."),
    ] = None,
) -> Iterator[printing.Output]:
    yield printing.output(json)


Scoring = Annotated[Mapping[str, Any], Group(_scoring)]
Limits = Annotated[Mapping[str, Any], Group(_limits)]
Truth = Annotated[Mapping[str, Any], Group(_truth)]
Output = Annotated[printing.Output, Group(_output)]
