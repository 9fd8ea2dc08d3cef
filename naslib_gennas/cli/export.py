"""`gennas export`."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

import typer
from typing_extensions import Annotated

from naslib_gennas.cli import options
from naslib_gennas.cli.options import Cells, Channels, Resolution, SpaceName, sized


def export(
    space: SpaceName,
    arch: Annotated[
        str,
        typer.Argument(
            metavar="ARCH|RUN_FOLDER",
            help="An architecture in the notation of the search space, or the folder of a search: what it found.",
        ),
    ],
    classes: Annotated[
        Optional[int],
        options.what("--classes", metavar="N", help="Number of classes.", show_default="as in the benchmark"),
    ] = None,
    resolution: Resolution = None,
    cells: Cells = None,
    channels: Channels = None,
    size: Annotated[
        str,
        options.what(
            "--size", metavar="NAME", help="published: as large as the benchmark trains it; or a profile: as scored."
        ),
    ] = "published",
    seed: Annotated[int, options.what("--seed", min=0, metavar="N", help="Random seed of the initial weights.")] = 0,
    weights: Annotated[
        Optional[Path],
        options.what("--weights", metavar="FILE", help="Trained weights (a state_dict) for .pt2 and .onnx."),
    ] = None,
    *,
    to: Annotated[
        List[str],
        options.output(
            "--to",
            metavar="FILE",
            help="File to write. The ending decides how: .py (source), .pt2 (torch.export), .onnx, .svg (a picture);"
            " `genotype` prints the architecture as training scripts read it. May be given several times.",
        ),
    ],
    overwrite: Annotated[
        bool, options.output("--overwrite", help="Replace existing files.", show_default=False)
    ] = False,
    output: options.Output,
) -> None:
    """Write the network of an architecture, to train it or to use it: the whole classifier, at its full size.

    Example: [bold]gennas export darts gennas-runs/SEARCH --classes 100 --resolution 224 --to model.py[/]
    """
    from naslib_gennas.cli.printing import errors
    from naslib_gennas.studies import export as exports

    done = exports.export(
        sized(space, cells, channels),
        arch,
        to,
        classes=classes,
        resolution=resolution,
        size=size,
        seed=seed,
        weights=weights,
        overwrite=overwrite,
    )
    # The genotype is for a pipe: everything else goes beside it.
    console = output.console if done.genotype is None else errors
    console.print(f"{space}: {done.cost}", markup=False)
    for path in done.written:
        console.print(f"Written to {path}", markup=False)
    if done.genotype is not None and output.json != "-":
        print(done.genotype)
    output.emit(done.to_json())
