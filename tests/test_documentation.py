"""The documentation keeps up with the program: its reference has all there is, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import loading
import pytest
import typer

from naslib_gennas import spaces
from naslib_gennas.cli.app import COMMANDS, app
from naslib_gennas.proxies import aggregation

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)\s]*)?\)")


@pytest.fixture(scope="module")
def reference():
    return loading.module(ROOT / "docs" / "site" / "reference.py")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_to_files(page):
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    broken = [link for link in LINK.findall(re.sub(r"`[^`\n]*`", "", text)) if not (page.parent / link).exists()]
    top = {"contributing.md", "changelog.md"}  # pages of the site that are files at the top of the repository
    assert not [link for link in broken if Path(link).name not in top]


def test_every_option_of_every_command_is_in_the_reference(reference):
    text = reference.commands()
    group = typer.main.get_command(app)
    context = group.make_context("gennas", [], resilient_parsing=True)
    for name in COMMANDS:
        start = text.index(f"## gennas {name}\n")
        section = text[start : text.find("\n## ", start)]
        for parameter in group.get_command(context, name).params:
            if parameter.opts[0].startswith("-"):
                assert all(f"`{option}`" in section for option in (*parameter.opts, *parameter.secondary_opts))


def test_every_proxy_is_in_the_reference(reference, proxy_names):
    page = (ROOT / "docs" / "reference" / "proxies.md").read_text(encoding="utf-8")
    text = page.replace("<!-- proxies -->", reference.proxies())
    assert len(proxy_names) > 20 and not [name for name in proxy_names if f"`{name}`" not in text]
    assert all(f"`{rule}:" in text for rule in aggregation.RULES)


def test_every_search_space_is_in_the_reference(reference):
    listed, notations = reference.spaces(), reference.notations()
    for name in spaces.names():
        assert f"| `{name}` |" in listed and f"`{name}`" in notations
    page = (ROOT / "docs" / "spaces.md").read_text(encoding="utf-8")
    assert "<!-- spaces -->" in page and "<!-- notations -->" in page


def test_the_readme_is_two_screens_with_one_test_command():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 80
    assert len([line for line in lines if re.match(r"python3 -m venv .*pytest", line)]) == 1
