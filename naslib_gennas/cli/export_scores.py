"""`gennas export-scores`."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

from typing_extensions import Annotated

from naslib_gennas.cli import options
from naslib_gennas.cli.options import Architectures, Count, SpaceName
from naslib_gennas.cli.printing import errors, progress_bar
from naslib_gennas.errors import EngineError, InputError, suggest

FORMATS = ("naslib",)


def export_scores(
    space: SpaceName,
    archs: Architectures = None,
    *,
    proxies: Annotated[
        str, options.what("--proxies", metavar="A,B,...", help="Proxies to score with.")
    ] = "gennas-combo,gennas-plus",
    dataset: Annotated[
        str, options.what("--dataset", metavar="NAME", help="Data set under which NASLib finds the table.")
    ] = "cifar10",
    truth: options.Truth,
    n: Count = None,
    scoring: options.Scoring,
    form: Annotated[
        str, options.output("--format", metavar="naslib", help="naslib: as its published zc_nasbench201.json.")
    ] = "naslib",
    to: Annotated[
        Optional[Path], options.output("--to", metavar="FILE", help="File to write.", show_default="zc_SPACE.json")
    ] = None,
) -> None:
    """Write a table of scores that others can use without computing them.

    Example: [bold]gennas export-scores nasbench201 --n 1000 --to zc_nasbench201.json[/]
    """
    from naslib_gennas import files, spaces
    from naslib_gennas import truth as truths
    from naslib_gennas.plugin import score_table
    from naslib_gennas.scoring.scorer import Scorer
    from naslib_gennas.studies import ranking
    from naslib_gennas.studies.result import nothing_scored

    if form not in FORMATS:
        raise InputError(f"--format: unknown format '{form}'{suggest(form, FORMATS)}")
    found = spaces.get(space)
    row = score_table.row_for(found)
    path = to or Path(f"zc_{row.name}.json")
    files.check_writable(path)
    names: List[str] = [name.strip() for name in proxies.split(",") if name.strip()]
    if not names:
        raise InputError("--proxies names none; as in --proxies gennas-combo,gennas-plus")
    accuracies = truths.find(truth["truth"], found, truth["higher_is_better"])
    sample = list(ranking.choose(found, n, archs, accuracies, scoring["seed"])[1])
    scores = {}
    for name in names:
        records = []
        with progress_bar(errors, f"{name} on {found.name}", len(sample)) as advance:
            for record in Scorer.of(found, name, **scoring).many(iter(sample)):
                records.append(record)
                advance(len(records), len(sample))
        scores[name] = sorted(records, key=lambda record: record.index)
        failure = nothing_scored(scores[name])
        if failure:
            raise EngineError(f"{name}: {failure}")
    content = score_table.table(
        found, dataset, scores, lambda arch: None if accuracies is None else accuracies.of(found, arch)
    )
    files.write_output(path, files.to_json(content) + "\n")
    print(f"{len(content[dataset])} architectures with {', '.join(names)} written to {path}")
    for name, records in scores.items():
        bad = sum(record.status != "ok" for record in records)
        if bad:
            print(f"{name} has no score of {bad} of them; NASLib takes {score_table.LOWEST:g} for that")
