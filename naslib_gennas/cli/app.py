"""The command `gennas`: parses, calls, prints. What it does is in the modules that it calls."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from typer.core import TyperGroup
from typing_extensions import Annotated

from naslib_gennas import __version__
from naslib_gennas.errors import EngineError, InputError

# Everything else of the package is imported inside the commands: --help does not need the seconds that torch takes.

errors = Console(stderr=True, highlight=False, soft_wrap=True)
USER_MISTAKE = 2
INTERRUPTED = 130


class _Group(TyperGroup):
    """Turns a user's mistake into one line and exit code 2, and an interrupt into one line and exit code 130."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with _terminable(), _warnings_in_a_line():
                return super().invoke(ctx)
        except InputError as error:
            errors.print(f"[bold red]Error:[/] {escape(str(error))}")
            raise typer.Exit(USER_MISTAKE) from None
        except EngineError as error:
            errors.print(f"[bold red]Error:[/] {escape(str(error))}")
            raise typer.Exit(1) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `gennas ... | head`
            raise typer.Exit(1) from None
        except KeyboardInterrupt as interrupt:
            errors.print(f"\n[bold yellow]Stopped.[/] {escape(str(interrupt))}")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Score neural architectures without labels (GenNAS, arXiv:2108.01899).\n\n"
    "Example: [bold]gennas rank nasbench201[/]",
)


def main() -> None:
    """What `gennas` and ``python -m naslib_gennas`` run."""
    app(prog_name="gennas")


# -------------------------------------------------------------------------------------------------- what commands share

SpaceName = Annotated[str, typer.Argument(metavar="SPACE", help="Search space (`gennas spaces` lists them).")]
ProxyName = Annotated[
    Optional[str],
    typer.Option(
        "--proxy", metavar="NAME", help="gennas-TASK or a baseline.", show_default="gennas-combo, RNNs gennas-nlp-combo"
    ),
]
ProfileName = Annotated[
    Optional[str],
    typer.Option(
        "--profile", metavar="NAME", help="paper, fast, or a YAML file of your own.", show_default="the proxy's own"
    ),
]
Inputs = Annotated[
    Optional[str],
    typer.Option(
        "--inputs",
        metavar="NAME",
        help="Input batch: photos, noise, cifar:FOLDER or FILE.npy.",
        show_default="the proxy's own, photos for most",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the sample and of the scores.")]
Workers = Annotated[Optional[int], typer.Option("--workers", min=1, help="Processes.", show_default="one a core")]
Device = Annotated[str, typer.Option("--device", help="Where to train: cpu, cuda, cuda:1, ...")]
StoreFile = Annotated[
    Optional[Path],
    typer.Option("--store", metavar="FILE", help="Where scores are kept.", show_default="in the user's data folder"),
]
Evaluations = Annotated[
    Optional[int], typer.Option("--evaluations", help="How many to try.", show_default="450, without a budget")
]
Budget = Annotated[Optional[str], typer.Option("--budget", metavar="TIME", help="Stop after: 90s, 10m, 2h.")]
Population = Annotated[int, typer.Option("--population", help="Individuals alive.")]
Tournament = Annotated[int, typer.Option("--tournament", help="Individuals that compete to be a parent.")]
Control = Annotated[bool, typer.Option("--control/--no-control", help="Random search with the same budget beside it.")]
Scheduler = Annotated[
    Optional[str],
    typer.Option("--scheduler", metavar="ADDRESS", help="Compute on a Dask cluster: tcp://HOST:8786, or slurm."),
]
OutFolder = Annotated[
    Optional[Path], typer.Option("--out", metavar="DIR", help="Run folder.", show_default="a new one in gennas-runs/")
]
JsonFile = Annotated[
    Optional[str], typer.Option("--json", metavar="FILE|-", help="Also write the result as JSON; - : to stdout, alone.")
]


def output(json: Optional[str]) -> Console:
    """Where a command prints for people: stdout, or stderr where stdout is for JSON alone."""
    if json is not None and json != "-":
        from naslib_gennas import files

        files.check_writable(json)
    return errors if json == "-" else Console(highlight=False, soft_wrap=True)


def emit(content: Any, json: Optional[str]) -> None:
    """Write a result as JSON where `--json` says."""
    if json is None:
        return
    from naslib_gennas import files

    if json == "-":
        print(files.to_json(content), flush=True)
    else:
        try:
            files.write_json(json, content)
        except OSError as error:
            raise InputError(f"output file '{json}' cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def computing(scheduler: Optional[str], workers: Optional[int]) -> Iterator[Any]:
    """Where scores are computed: an executor on the cluster of `--scheduler`, or None for this machine."""
    if scheduler is None:
        yield None
        return
    from naslib_gennas.scoring import engine

    with engine.cluster(scheduler, workers) as executor:
        yield executor


@contextlib.contextmanager
def progress_bar(console: Console, what: str, total: Optional[int] = None) -> Iterator[Callable[..., None]]:
    """A live progress bar with rate and time left; gives ``advance(done, total, note)``."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=total, rate="", note="")

        def advance(done: int, total: Optional[int] = None, note: str = "") -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = f"{done / elapsed:.2f}/s" if elapsed > 0 else ""
            bar.update(task, completed=done, total=total, rate=rate, note=note)

        yield advance


def print_columns(console: Console, *rows: Sequence[str]) -> None:
    """Rows of texts as columns, the header first; the last column may be long, and is never cut."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    widths[-1] = 0
    for index, row in enumerate(rows):
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip()
        console.print(line, markup=False, style="bold" if index == 0 else None)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a command the way Ctrl-C does: everything finished is kept."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt("terminated")

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """Our warnings are for the user: one line, without the place in the code."""

    def show(message: Any, category: Any, *place: Any, **more: Any) -> None:
        if issubclass(category, RuntimeWarning):
            errors.print(f"[bold yellow]Warning:[/] {escape(str(message))}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _version(asked: bool) -> None:
    if asked:
        print(f"gennas {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


# ------------------------------------------------------------------------------------------------------------- commands


@app.command()
def rank(
    space: SpaceName,
    proxy: ProxyName = None,
    n: Annotated[Optional[int], typer.Option("--n", min=1, help="Architectures to draw.", show_default="64")] = None,
    seed: Seed = 0,
    truth: Annotated[
        str,
        typer.Option(
            "--truth",
            metavar="FILE[:COLUMN]",
            help="Ground truth: analog-nasbench, a CSV or JSON table, a benchmark file, or none.",
        ),
    ] = "installed",
    lower_is_better: Annotated[
        Optional[bool],
        typer.Option(
            "--lower-is-better/--higher-is-better", help="Of the truth.", show_default="as the column's name says"
        ),
    ] = None,
    archs: Annotated[
        Optional[Path], typer.Option("--archs", metavar="FILE", help="Rank these: one a line, or a CSV or JSON table.")
    ] = None,
    inputs: Inputs = None,
    profile: ProfileName = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    device: Device = "cpu",
    top: Annotated[float, typer.Option("--top", help="Percent, of the retrieval.")] = 10.0,
    best: Annotated[
        int,
        typer.Option("--best", metavar="K", help="Find the K best by a race at full depth; 0: none."),
    ] = 0,
    store: StoreFile = None,
    out: Annotated[
        Optional[Path],
        typer.Option("--out", metavar="DIR", help="Run folder.", show_default="a new one in gennas-runs/"),
    ] = None,
    json: JsonFile = None,
) -> None:
    """Rank a sample of architectures without labels, and compare the order with their true accuracy.

    Example: [bold]gennas rank nasbench201 --n 100 --truth nasbench201.csv:cifar100_test_acc[/]
    """
    from naslib_gennas import files, spaces
    from naslib_gennas.scoring.store import default_path
    from naslib_gennas.studies import ranking

    console = output(json)
    with progress_bar(console, f"Ranking {space}") as advance, computing(scheduler, workers) as executor:
        try:
            result = ranking.rank(
                space,
                proxy,
                n,
                truth=None if truth == "none" else truth,
                archs=archs,
                inputs=inputs,
                seed=seed,
                profile=profile,
                workers=workers,
                executor=executor,
                store=store or default_path(),
                device=device,
                out=out or files.new_folder(f"rank-{spaces.get(space).name}"),
                top_percent=top,
                best=best,
                higher_is_better=None if lower_is_better is None else not lower_is_better,
                progress=lambda record, done, total: advance(done, total),
            )
        except ranking.Interrupted as stopped:
            done = stopped.ranking
            emit(done.to_json(), json)
            raise KeyboardInterrupt(
                f"{done.n} scores are in {done.folder} and in the store: the same command again goes on from there."
            ) from None
    _print_ranking(console, result)
    emit(result.to_json(), json)


def _print_ranking(console: Console, result: Any) -> None:
    from naslib_gennas.studies.plots import rounded

    console.print(
        f"{result.n} architectures of {result.space}, {result.proxy} ({result.profile['name']} profile, inputs "
        f"{result.inputs}, seed {result.seed}): {result.wall_seconds:.1f} s, {result.core_seconds:.1f} core-seconds"
        + (f", {result.reused} scores known before" if result.reused else "")
    )
    for status in ("diverged", "untrainable", "failed"):
        count = sum(row.status == status for row in result.architectures)
        if count:
            console.print(f"{count} {status}: ranked last")
    if result.truth is not None:
        direction = "higher" if result.truth["higher_is_better"] else "lower"
        matched = f"{result.truth['matched']} of {result.n} matched"
        console.print(f"Truth: {escape(result.truth['name'])} ({direction} is better), {matched}")
        rows = [("agreement", "value", "95% interval")]
        for name, estimate in (
            ("Spearman rho", result.spearman),
            ("Kendall tau", result.kendall),
            (f"retrieval of the top {result.top_percent:g}%", result.retrieval),
            ("regret of the first", result.regret),
        ):
            value, _, interval = str(estimate).partition(" ")
            rows.append((name, value, interval))
        print_columns(console, *rows)
    if result.finalists:
        label, best = f"best of a race of {len(result.finalists)}", result.finalists[: result.best]
        listed = [(rounded(one.final_score), rounded(one.truth, 2), one.arch) for one in best]
    else:
        label, best = "top five", result.architectures[:5]
        listed = [(rounded(one.score), rounded(one.truth, 2), one.arch) for one in best]
    rows = [("score", "truth", label), *listed]
    print_columns(console, *(rows if result.truth is not None else [(row[0], row[2]) for row in rows]))
    if result.folder is not None:
        console.print(
            f"Written to {result.folder}: scores.csv, result.json" + (", scatter.png" * (result.truth is not None))
        )


@app.command()
def compare(
    space: SpaceName,
    proxies: Annotated[
        Optional[str],
        typer.Option(
            "--proxies",
            metavar="A,B,...",
            help="NAME, NAME@PROFILE, vote:A+B, ranksum:A+B, az_nas, or FILE.py; the first is compared with.",
            show_default="gennas-combo,synflow,jacob_cov,naswot,params",
        ),
    ] = None,
    n: Annotated[Optional[int], typer.Option("--n", min=1, help="Architectures to draw.", show_default="64")] = None,
    seed: Seed = 0,
    truth: Annotated[
        str, typer.Option("--truth", metavar="FILE[:COLUMN]", help="Ground truth, as in `gennas rank`, or none.")
    ] = "installed",
    archs: Annotated[
        Optional[Path], typer.Option("--archs", metavar="FILE", help="These: one a line, or a CSV or JSON table.")
    ] = None,
    inputs: Annotated[
        Optional[str],
        typer.Option("--inputs", metavar="NAME", help="Input batch of all.", show_default="each proxy's usual one"),
    ] = None,
    profile: ProfileName = None,
    via: Annotated[
        Optional[str], typer.Option("--via", metavar="naslib", help="Also run NASLib's own measures on its graphs.")
    ] = None,
    top: Annotated[float, typer.Option("--top", help="Percent, of the retrieval.")] = 10.0,
    workers: Workers = None,
    scheduler: Scheduler = None,
    device: Device = "cpu",
    store: StoreFile = None,
    out: OutFolder = None,
    json: JsonFile = None,
) -> None:
    """Compare proxies on the same architectures: agreement with the truth, significance, cost, and an HTML report.

    Example: [bold]gennas compare nasbench201 --proxies gennas-combo,synflow,naswot,vote:synflow+naswot[/]
    """
    from naslib_gennas import files
    from naslib_gennas.scoring.store import default_path
    from naslib_gennas.studies import comparison, report

    console = output(json)
    folder = files.folder(out or files.new_folder(f"compare-{space}"))
    with progress_bar(console, f"Comparing on {space}") as advance, computing(scheduler, workers) as executor:
        try:
            result = comparison.compare(
                space,
                None if proxies is None else proxies.split(","),
                n,
                truth=None if truth == "none" else truth,
                archs=archs,
                inputs=inputs,
                seed=seed,
                profile=profile,
                via=via,
                workers=workers,
                executor=executor,
                store=store or default_path(),
                device=device,
                top_percent=top,
                progress=lambda name, done, total: advance(done, total, name),
            )
        except comparison.Interrupted as stopped:
            report.write(stopped.comparison, folder)
            emit(stopped.comparison.to_json(), json)
            raise KeyboardInterrupt(f"every score is in the store: the same command goes on. See {folder}.") from None
    report.write(result, folder)
    _print_comparison(console, result)
    console.print(f"Written to {folder}: plots.html, result.json, table.csv, scores.csv")
    emit(result.to_json(), json)


def _print_comparison(console: Console, result: Any) -> None:
    from naslib_gennas.studies import report

    console.print(
        f"{result.n} architectures of {result.space}, seed {result.seed}: {result.wall_seconds:.1f} s"
        + (
            ""
            if result.truth is None
            else f"; truth {escape(str(result.truth['name']))}, {result.truth['matched']} known"
        )
    )
    rows = [report.heads(result)]
    for column in result.columns:
        if not column.problem:
            cells = (" ".join(filter(None, cell)) for cell in report.cells(result, column))
            rows.append((column.name, *cells))
    print_columns(console, *rows)
    for column in result.columns:
        if column.problem:
            console.print(f"{escape(column.name)} cannot score {result.space}: {escape(column.problem)}")
    for note in report.notes(result):
        console.print(escape(note))


@app.command()
def score(
    space: SpaceName,
    archs: Annotated[List[str], typer.Argument(metavar="ARCH...", help="Architectures, in the space's notation.")],
    proxy: ProxyName = None,
    seed: Seed = 0,
    inputs: Inputs = None,
    profile: ProfileName = None,
    workers: Workers = None,
    device: Device = "cpu",
    store: StoreFile = None,
    json: JsonFile = None,
) -> None:
    """Score architectures without labels; higher is better.

    Example: [bold]gennas score nasbench201 '|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|'[/]
    """
    from naslib_gennas.scoring.store import default_path
    from naslib_gennas.studies import ranking
    from naslib_gennas.studies.plots import rounded

    console = output(json)
    with progress_bar(console, f"Scoring {space}") as advance:
        result = ranking.rank(
            space,
            proxy,
            truth=None,
            archs=archs,
            inputs=inputs,
            seed=seed,
            profile=profile,
            workers=workers or (1 if len(archs) == 1 else None),
            store=store or default_path(),
            device=device,
            progress=lambda record, done, total: advance(done, total),
        )
    rows = [("score", "core-seconds", "status", "architecture")]
    for row in result.architectures:
        status = row.status if not row.reason else f"{row.status}: {row.reason}"
        rows.append((rounded(row.score, 6), f"{row.seconds:.2f}", status, row.arch))
    print_columns(console, *rows)
    emit(result.to_json(), json)


@app.command()
def spaces(json: JsonFile = None) -> None:
    """List the search spaces: size, stages, notation, mutation, and which ground truth is installed.

    Example: [bold]gennas spaces --json -[/]
    """
    from naslib_gennas import spaces as known
    from naslib_gennas import truth

    console = output(json)
    content = []
    for name in known.names():
        space = known.get(name)
        about = {key: getattr(space, key) for key in ("name", "kind", "count", "stages", "notation", "mutation")}
        content.append({**about, "truth": truth.installed(space)})
    for about in content:
        count = about["count"]
        # Nobody reads thirty digits.
        number = "" if count is None else f"{count:,}" if count < 10**9 else f"about {count:.0e}".replace("e+", "e")
        size = f"{number} architectures" if number else "unbounded"
        stages = "1 stage" if about["stages"] == 1 else f"{about['stages'] or 'several'} stages"
        console.print(f"[bold]{about['name']}[/]  {about['kind']}, {size}, {stages}")
        for label in ("notation", "mutation"):
            if about[label]:
                console.print(f"  {label}: {escape(str(about[label]))}")
        console.print(f"  installed truth: {', '.join(about['truth']) or 'none'}")
    emit(content, json)


tasks_app = typer.Typer(cls=_Group, help="List the proxy tasks, or show one.\n\nExample: [bold]gennas tasks[/]")
app.add_typer(tasks_app, name="tasks", invoke_without_command=True)


@tasks_app.callback()
def tasks(context: typer.Context, json: JsonFile = None) -> None:
    """List the proxy tasks (`gennas-TASK` is the proxy of each), or show one.

    Example: [bold]gennas tasks show combo --plot combo.png[/]
    """
    if context.invoked_subcommand is not None:
        return
    from naslib_gennas.regression import tasks as known

    console = output(json)
    content = [{"name": name, "kind": known.get(name).kind, "shipped": True} for name in known.names()]
    content += [{"name": name, "kind": "cnn", "shipped": False} for name in known.SINGLE_SIGNALS]
    console.print("Tasks: " + ", ".join(f"{about['name']} ({about['kind']})" for about in content if about["shipped"]))
    console.print("Single signals of table 1, at stage 3 (or 1, 2 as SIGNAL@1): " + ", ".join(known.SINGLE_SIGNALS))
    console.print(
        "A YAML file of your own works wherever a name does; `gennas tasks show NAME` prints one to start from."
    )
    emit(content, json)


@tasks_app.command("show")
def show_task(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A task or a YAML file.")],
    plot: Annotated[
        Optional[Path], typer.Option("--plot", metavar="FILE", help="Draw the targets into a picture.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the targets that are drawn.")] = 0,
    json: JsonFile = None,
) -> None:
    """Print a task as YAML, and draw its targets as the paper's figure 3 does.

    Example: [bold]gennas tasks show search-N --plot search-N.png[/]
    """
    import yaml

    from naslib_gennas import files
    from naslib_gennas.regression import tasks as known
    from naslib_gennas.studies import plots

    console = output(json)
    task = known.get(name)
    text = known.dump(task)
    if plot is not None:
        files.check_writable(plot)
        plots.plot_task(task, plot, seed=seed)
    console.print(text, markup=False, end="")
    if plot is not None:
        errors.print(f"Targets drawn into {plot}")
    emit({"name": task.name, **yaml.safe_load(text)}, json)


@app.command()
def search(
    space: SpaceName,
    proxy: ProxyName = None,
    evaluations: Evaluations = None,
    budget: Budget = None,
    method: Annotated[str, typer.Option("--method", help="evolution, random, nasi or rlnas.")] = "evolution",
    population: Population = 50,
    tournament: Tournament = 10,
    constraint: Annotated[
        Optional[List[str]],
        typer.Option("--constraint", metavar="BOUND", help="params<1.5M, flops<200M; as many as you like."),
    ] = None,
    finalists: Annotated[
        Optional[int],
        typer.Option(
            "--finalists",
            help="So many of the best are scored anew at the space's full depth; 0: none.",
            show_default="a fifth of the evaluations",
        ),
    ] = None,
    nu: Annotated[
        str, typer.Option("--nu", help="NASI's limit on the trace norm: adaptive, fixed, or a number.")
    ] = "adaptive",
    control: Control = True,
    truth: Annotated[
        str, typer.Option("--truth", metavar="FILE[:COLUMN]", help="Ground truth to report (not used), or none.")
    ] = "installed",
    seed: Seed = 0,
    inputs: Inputs = None,
    profile: ProfileName = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    device: Device = "cpu",
    store: StoreFile = None,
    out: OutFolder = None,
    json: JsonFile = None,
) -> None:
    """Find an architecture without labels; started again with the same settings, it goes on where it was.

    Example: [bold]gennas search nasbench201 --budget 10m --constraint 'params<1M'[/]
    """
    from naslib_gennas import files
    from naslib_gennas.scoring.store import default_path
    from naslib_gennas.studies import search
    from naslib_gennas.studies.search import seconds

    if method == "nasi":
        _search_nasi(space, evaluations, nu, truth, seed, inputs, profile, device, out, json)
        return
    if method == "rlnas":
        # One supernet scores them all; a larger one for the finalists would be another search.
        proxy, method, finalists = "rlnas", "evolution", finalists or 0
    console = output(json)
    again = "the same command again goes on from there."
    with progress_bar(console, f"Searching {space}") as advance, computing(scheduler, workers) as executor:

        def show(method: str, step: Any, best: Any, done: int) -> None:
            value = "" if best.truth is None else f", truth {best.truth:.2f}"
            total = None if method == "finalists" or budget else evaluations or search.USUAL_EVALUATIONS
            advance(done, total, f"{method}: best {best.score:.4f}{value}")

        try:
            found = search.search(
                space,
                proxy,
                evaluations=evaluations,
                budget=None if budget is None else seconds(budget),
                method=method,
                population=population,
                tournament=tournament,
                constraint=constraint or (),
                finalists=finalists,
                control=control,
                truth=None if truth == "none" else truth,
                inputs=inputs,
                seed=seed,
                profile=profile,
                workers=workers,
                executor=executor,
                store=store or default_path(),
                device=device,
                out=out or files.new_folder(f"search-{space}"),
                progress=show,
            )
        except search.Interrupted as stopped:
            emit(stopped.found.to_json(), json)
            raise KeyboardInterrupt(f"{stopped.found.evaluations} evaluations are in the store: {again}") from None
    _print_search(console, found)
    emit(found.to_json(), json)


def _search_nasi(
    space: str,
    steps: Optional[int],
    nu: str,
    truth: str,
    seed: int,
    inputs: Optional[str],
    profile: Optional[str],
    device: str,
    out: Optional[Path],
    json: Optional[str],
) -> None:
    from naslib_gennas import files, spaces
    from naslib_gennas import truth as truths
    from naslib_gennas.regression import profiles
    from naslib_gennas.studies import nasi

    console = output(json)
    chosen = spaces.get(space)
    table = truths.find(None if truth == "none" else truth, chosen)
    folder = files.folder(out or files.new_folder(f"nasi-{space}"))
    with progress_bar(console, f"Searching {space}") as advance:
        found = nasi.search(
            space,
            steps=steps,
            nu=nu,
            inputs=inputs or "noise",
            seed=seed,
            profile=None if profile is None else profiles.get(profile),
            device=device,
            progress=lambda done, total, draw: advance(done, total, f"trace norm {draw.trace:.3g}, nu {draw.nu:.3g}"),
        )
    value = None if table is None else table.of(chosen, chosen.parse(found.arch))
    content = {**found.to_json(), "truth": value, "folder": str(folder)}
    files.write_json(folder / "result.json", content)
    console.print(f"Architecture: [bold]{escape(found.arch)}[/]" + ("" if value is None else f"  truth {value:.2f}"))
    console.print(f"Written to {folder}: result.json")
    emit(content, json)


def _print_search(console: Console, found: Any) -> None:
    from naslib_gennas.studies.plots import rounded

    rows = [("", "evaluations", "seconds", "score", *(["truth", "regret"] if found.truth is not None else []))]
    for name, course in (("found", found.to_json()), ("random search", found.to_json()["control"])):
        if course is not None and course["best"] is not None:
            best = course["best"]
            known = [rounded(best["truth"], 2), rounded(course["regret"], 2)] if found.truth is not None else []
            wall = f"{course['wall_seconds']:.1f}"
            rows.append((name, str(course["evaluations"]), wall, rounded(best["score"]), *known))
    print_columns(console, *rows)
    if found.resumed:
        console.print(f"{found.resumed} of the evaluations were done by an earlier run")
    if found.course.finalists:
        console.print(f"Chosen among the {len(found.course.finalists)} best, which raced at the space's full depth")
    if found.best is not None:
        console.print(f"Best architecture: [bold]{escape(found.best.arch)}[/]")
    if found.folder is not None:
        console.print(f"Written to {found.folder}: result.json, history.csv, search.png")


@app.command("search-task")
def search_task(
    space: SpaceName,
    labels: Annotated[
        Optional[str],
        typer.Option("--labels", metavar="FILE[:COLUMN]", help="About 20 architectures with their accuracy."),
    ] = None,
    truth: Annotated[
        Optional[str], typer.Option("--truth", metavar="FILE[:COLUMN]", help="Draw the labelled ones from this table.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many to draw from --truth.")] = 20,
    held_out: Annotated[
        Optional[str],
        typer.Option("--held-out", metavar="FILE|N", help="Other labelled ones to check with: a file, or how many."),
    ] = None,
    evaluations: Evaluations = None,
    budget: Budget = None,
    population: Population = 50,
    tournament: Tournament = 10,
    control: Control = True,
    name: Annotated[str, typer.Option("--name", help="Of the task.")] = "searched",
    seed: Seed = 0,
    inputs: Inputs = None,
    profile: ProfileName = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    device: Device = "cpu",
    store: StoreFile = None,
    out: OutFolder = None,
    json: JsonFile = None,
) -> None:
    """Turn a few known accuracies into a better proxy task for a search space.

    Example: [bold]gennas search-task nasbench201 --truth analog-nasbench --held-out 100 --budget 30m[/]
    """
    from naslib_gennas import files
    from naslib_gennas.scoring.store import default_path
    from naslib_gennas.studies import task_search
    from naslib_gennas.studies.search import seconds
    from naslib_gennas.truth import labels as labelling

    console = output(json)
    again = "the same command again goes on from there."
    known, others = labelling.choose(space, labels, truth, n, held_out, seed)
    with progress_bar(console, f"Searching a task for {space}") as advance, computing(scheduler, workers) as executor:

        def show(method: str, trial: Any, best: float, done: int) -> None:
            advance(done, evaluations or (None if budget else 450), f"{method}: best rho {best:.3f}")

        try:
            found = task_search.search(
                space,
                known,
                evaluations=evaluations,
                budget=None if budget is None else seconds(budget),
                population=population,
                tournament=tournament,
                control=control,
                held_out=others,
                name=name,
                inputs=inputs or "photos",
                seed=seed,
                profile=profile,
                workers=workers,
                executor=executor,
                store=store or default_path(),
                device=device,
                out=out or files.new_folder(f"search-task-{space}"),
                progress=show,
            )
        except task_search.Interrupted as stopped:
            emit(stopped.found.to_json(), json)
            raise KeyboardInterrupt(f"{len(stopped.found.course.trials)} tasks are in the store: {again}") from None
    reference = found.settings["reference"]
    rows = [("task", "rho with the labels", *(["rho with held-out labels"] if found.held_out else []))]
    for key, label, value in (("found", name, found.rho), ("usual", reference, found.reference)):
        held = [str(found.held_out[key])] if found.held_out else []
        rows.append((label, "" if value is None else f"{value:.3f}", *held))
    print_columns(console, *rows)
    expected = "" if found.expected is None else f", of which {found.expected:.3f} is expected on other architectures"
    if found.taken:
        console.print(f"{name} is taken: its rho is {found.rho:.3f}{expected}")
    else:
        why = expected or ", and too few random tasks were tried to tell what of it is luck"
        console.print(f"{reference} is taken: the best task found has rho {found.rho:.3f}{why} (candidate.yaml)")
    stopped_early = sum(trial.stopped for trial in found.course.trials)
    console.print(f"{len(found.course.trials)} tasks tried, {stopped_early} given up early as hopeless")
    console.print(f"Written to {found.folder}: task.yaml, candidate.yaml, targets.png, convergence.png, result.json")
    console.print(f"Use it: [bold]gennas rank {space} --proxy gennas-{found.folder}/task.yaml[/]")
    emit(found.to_json(), json)


store_app = typer.Typer(
    cls=_Group, no_args_is_help=True, help="List, export or delete kept scores.\n\nExample: [bold]gennas store list[/]"
)
app.add_typer(store_app, name="store")
ChosenSpace = Annotated[Optional[str], typer.Option("--space", help="Only this search space.")]
ChosenProxy = Annotated[Optional[str], typer.Option("--proxy", help="Only this proxy.")]


@store_app.command("list")
def list_store(store: StoreFile = None, json: JsonFile = None) -> None:
    """List what is kept: a line for every space, proxy, settings, input batch, seed and version.

    Example: [bold]gennas store list[/]
    """
    from naslib_gennas.scoring import store as kept

    console = output(json)
    path = store or kept.default_path()
    with kept.existing(path) as database:
        content = database.runs()
    rows: List[Tuple[str, ...]] = [
        ("space", "proxy", "settings", "inputs", "seed", "version", "scores", "not ok", "core-seconds")
    ]
    for run in content:
        about = [str(run[key]) for key in ("space", "proxy", "fingerprint", "inputs", "seed", "version", "scores")]
        about[2] = about[2][:8]
        rows.append((*about, str(run["not_ok"] or 0), f"{run['seconds'] or 0:.1f}"))
    print_columns(console, *rows)
    console.print(f"{sum(run['scores'] for run in content)} scores in {path}")
    emit(content, json)


@store_app.command("export")
def export_store(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv or .json file to write.")],
    space: ChosenSpace = None,
    proxy: ChosenProxy = None,
    store: StoreFile = None,
) -> None:
    """Write the kept scores into a table.

    Example: [bold]gennas store export scores.csv --space nasbench201[/]
    """
    from naslib_gennas import files
    from naslib_gennas.scoring import store as kept

    files.check_writable(file)
    with kept.existing(store or kept.default_path()) as database:
        count = kept.export(database, file, space=space, proxy=proxy)
    print(f"{count} scores written to {file}")


@store_app.command("prune")
def prune_store(
    space: ChosenSpace = None,
    proxy: ChosenProxy = None,
    other_versions: Annotated[
        bool, typer.Option("--other-versions", help="Those of other versions of this package.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Those that failed.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    store: StoreFile = None,
) -> None:
    """Delete kept scores that meet all that is asked for, and give the space back.

    Example: [bold]gennas store prune --other-versions[/]
    """
    from naslib_gennas.scoring import store as kept

    chosen = {"space": space, "proxy": proxy, "status": "failed" if failed else None}
    chosen["version_not"] = __version__ if other_versions else None
    asked = {key: value for key, value in chosen.items() if value is not None}
    if not asked and not everything:
        raise InputError("say what to delete: --space, --proxy, --other-versions, --failed, or --all")
    with kept.existing(store or kept.default_path()) as database:
        print(f"{database.prune(**asked)} scores deleted")


truth_app = typer.Typer(
    cls=_Group, no_args_is_help=True, help="List or add tables of ground truth.\n\nExample: [bold]gennas truth list[/]"
)
app.add_typer(truth_app, name="truth")


@truth_app.command("list")
def list_truth(json: JsonFile = None) -> None:
    """List the tables that `--truth` finds by name, for every search space that has one.

    Example: [bold]gennas truth list[/]
    """
    from naslib_gennas import spaces as known
    from naslib_gennas import truth

    console = output(json)
    content = [{"space": name, "truth": table} for name in known.names() for table in truth.installed(name)]
    print_columns(console, ("space", "truth"), *((row["space"], row["truth"]) for row in content))
    console.print(f"{len(content)} tables; those that were added are in {truth.folder()}")
    emit(content, json)


@truth_app.command("add")
def add_truth(
    what: Annotated[str, typer.Argument(metavar="SPACE|nds", help="A search space, or nds for the files of NDS.")],
    source: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="A table; for nds the folder of its files.")],
    json: JsonFile = None,
) -> None:
    """Keep a table of ground truth, so that `--truth` finds it by name.

    Example: [bold]gennas truth add nds nds_data/[/]
    """
    from naslib_gennas import truth

    console = output(json)
    content = [{"space": space, "table": str(table), "architectures": n} for space, table, n in truth.add(what, source)]
    print_columns(
        console,
        ("space", "architectures", "table"),
        *((str(row["space"]), f"{row['architectures']:,}", str(row["table"])) for row in content),
    )
    emit(content, json)


@app.command()
def doctor(json: JsonFile = None) -> None:
    """Say what is installed for the NASLib plugin, and what to do about what is not.

    Example: [bold]gennas doctor[/]
    """
    from naslib_gennas.plugin.doctor import examine

    console = output(json)
    report = examine()
    meaning = {"ok": "ok", "fixed": "fixed by us", "todo": "to do", "absent": "absent"}
    print_columns(console, *((meaning[check.status], check.name, check.detail) for check in report.checks))
    console.print("NASLib works with the plugin here." if report.ready else "The plugin does not work here yet.")
    content = [{"name": check.name, "status": check.status, "detail": check.detail} for check in report.checks]
    emit({"ready": report.ready, "checks": content}, json)
