"""`gennas spaces`."""

from __future__ import annotations

from rich.markup import escape

from naslib_gennas.cli.options import Output


def spaces(output: Output) -> None:
    """List the search spaces: size, stages, notation, mutation, and which ground truth is installed.

    Example: [bold]gennas spaces --json -[/]
    """
    from naslib_gennas import spaces as known
    from naslib_gennas import truth

    console, content = output.console, []
    for name in known.names():
        space = known.get(name)
        about = {key: getattr(space, key) for key in ("name", "kind", "count", "stages", "notation", "mutation")}
        content.append({**about, "truth": truth.installed(space)})
    for about in content:
        size = "unbounded" if about["count"] is None else f"{size_of(about['count'])} architectures"
        stages = "1 stage" if about["stages"] == 1 else f"{about['stages'] or 'several'} stages"
        console.print(f"[bold]{about['name']}[/]  {about['kind']}, {size}, {stages}")
        for label in ("notation", "mutation"):
            if about[label]:
                console.print(f"  {label}: {escape(str(about[label]))}")
        console.print(f"  installed truth: {', '.join(about['truth']) or 'none'}")
    output.emit(content)


def size_of(count: int) -> str:
    """A number of architectures as people read it: nobody reads thirty digits."""
    return f"{count:,}" if count < 10**9 else f"about {count:.0e}".replace("e+", "e")
