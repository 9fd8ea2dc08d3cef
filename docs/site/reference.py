"""The parts of the reference that are made from the program: its commands, its proxies, and its search spaces."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any, Dict, List

ROOT = Path(__file__).parents[2]
#: Where the tables of every proxy's cost are, and the one to read.
COSTS = ROOT / "docs" / "notebook" / "compare.md"
SECTION = "nasbench201, cifar10"
#: In the order in which help texts have them.
PANELS = ("Arguments", "What", "How much", "Where", "Output", "Options")
BATCHES = {"noise": "noise", "photos": "photos", None: "photos"}


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill in what a page leaves to the program."""
    for write in (commands, proxies, spaces, notations):
        mark = f"<!-- {write.__name__} -->"
        if mark in markdown:
            markdown = markdown.replace(mark, write())
    return markdown


# ------------------------------------------------------------------------------------------------------------- commands


def commands() -> str:
    """Every command as its --help has it."""
    import typer

    from naslib_gennas.cli.app import COMMANDS, app

    group = typer.main.get_command(app)
    context = group.make_context("gennas", [], resilient_parsing=True)
    parts: List[str] = []
    for name in COMMANDS:
        _describe(group.get_command(context, name), name, 2, context, parts)
    return "\n".join(parts)


def _describe(command: Any, name: str, level: int, context: Any, parts: List[str]) -> None:
    """Append what one command is, and its own commands."""
    inner = type(context)(command, info_name=name, parent=context)
    parts.append(f"{'#' * level} gennas {name}\n")
    parts.append(_prose(command.help or ""))
    parameters = [one for one in command.get_params(inner) if one.name not in ("help", "help_option")]
    if parameters:
        panels = sorted({_panel(one) for one in parameters}, key=PANELS.index)
        rows = [
            row
            for panel in panels
            for row in (_cells(f"**{panel}**", ""), *(_row(one, inner) for one in parameters if _panel(one) == panel))
        ]
        parts.append("\n".join(["| option | meaning |", "| --- | --- |", *rows, ""]))
    for sub in getattr(command, "commands", {}).values():
        _describe(sub, f"{name} {sub.name}", level + 1, context, parts)


def _prose(text: str) -> str:
    """A help text as Markdown: the words, and its example as a command."""
    words, _, example = _plain(inspect.cleandoc(text)).replace("Examples:", "Example:").partition("Example:")
    example = re.sub(r",\n\s*", "\n", example)
    return words + (f"\n```sh\n{example.strip()}\n```\n" if example else "")


def _plain(text: str) -> str:
    """A text without the terminal's markup."""
    return re.sub(r"\[/?(?:bold|red|yellow|green|dim)?[a-z ]*\]", "", text)


def _row(parameter: Any, context: Any) -> str:
    """A parameter as a row: its name, what it says."""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("-"))
    metavar = "" if getattr(parameter, "is_flag", False) else parameter.metavar or ""
    text = _plain(getattr(parameter, "help", None) or "")
    shown = getattr(parameter, "show_default", None)
    usual = shown if isinstance(shown, str) else parameter.get_default(context, call=False) if shown else None
    if (usual or type(usual) is int) and not callable(usual):
        text += f" Default: {usual}."
    return _cells(f"{names} {metavar}" if names else f"`{metavar or parameter.name}`", text)


def _panel(parameter: Any) -> str:
    """The panel of the help that a parameter is in."""
    named = parameter.opts[0].startswith("-")
    return getattr(parameter, "rich_help_panel", None) or ("Options" if named else "Arguments")


def _cells(*texts: str) -> str:
    return "| " + " | ".join(" ".join(text.split()).replace("|", "\\|") for text in texts) + " |"


# -------------------------------------------------------------------------------------------------------------- proxies


def proxies() -> str:
    """Every proxy of others: what it is, where it comes from, what it needs and costs."""
    from naslib_gennas.proxies import registry

    costs, rows = _costs(), []
    for name, about in sorted(_abouts().items()):
        if ":" in name or name.startswith("gennas"):
            continue
        proxy = registry.get(name)
        kinds = "images, sequences" if "rnn" in proxy.kinds else "images"
        batch = f"{proxy.images} {BATCHES.get(proxy.inputs, proxy.inputs)}"
        rows.append(_cells(f"`{name}`", about, batch, kinds, costs.get(name, "")))
    head = "| proxy | what it measures, and where it comes from | batch | networks of | cost |"
    return "\n".join([head, "| --- | --- | --- | --- | --- |", *rows])


def _abouts() -> Dict[str, str]:
    """By proxy: the first paragraph of the docstring of the function that is registered under that name."""
    found: Dict[str, str] = {}
    for path in sorted((ROOT / "naslib_gennas" / "proxies").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for mark in getattr(node, "decorator_list", []):
                if isinstance(mark, ast.Call) and mark.args and isinstance(mark.args[0], ast.Constant):
                    text = (ast.get_docstring(node) or "").partition("\n\n")[0]
                    text = re.sub(r"([*_<>])", r"\\\1", text)
                    text = re.sub(r"arXiv:(\d{4}\.\d{5})(v\d)?", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
                    found[str(mark.args[0].value)] = text
    return found


def _costs() -> Dict[str, str]:
    """Core-seconds of each proxy on NAS-Bench-201, from the lab notebook."""
    found: Dict[str, str] = {}
    section = ""
    for line in COSTS.read_text(encoding="utf-8").splitlines():
        section = line[4:] if line.startswith("### ") else section
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if section == SECTION and len(cells) == 8 and cells[1].isdigit():
            found[cells[0]] = cells[5]
    return found


# --------------------------------------------------------------------------------------------------------------- spaces


def spaces() -> str:
    """Every search space: its size, its stages, and what a mutation changes."""
    from naslib_gennas import spaces as known
    from naslib_gennas.cli.spaces import size_of

    rows = []
    for name in known.names():
        space = known.get(name)
        size = "unbounded" if space.count is None else size_of(space.count)
        rows.append(_cells(f"`{name}`", size, str(space.stages or ""), space.mutation))
    return "\n".join(["| space | architectures | stages | a mutation |", "| --- | --- | --- | --- |", *rows])


def notations() -> str:
    """Every notation, with the search spaces that have it."""
    from naslib_gennas import spaces as known

    names: Dict[str, List[str]] = {}
    for name in known.names():
        names.setdefault(known.get(name).notation, []).append(name)
    rows = [_cells(", ".join(f"`{name}`" for name in found), f"`{notation}`") for notation, found in names.items()]
    return "\n".join(["| spaces | notation |", "| --- | --- |", *rows])
