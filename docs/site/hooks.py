"""Pages of the site for the files of the repository that its pages link to: CONTRIBUTING.md, examples, benchmarks."""

from __future__ import annotations

import html
import json
import posixpath
import re
from pathlib import Path
from typing import Any, Iterator, List

from mkdocs.structure.files import File, InclusionLevel

ROOT = Path(__file__).parents[2]
#: Pages that are files at the top of the repository.
TOP = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
#: Code in a table with a bar in it, which Markdown needs escaped there and then shows with its backslash.
ESCAPED = "\\|"
BARS = re.compile(r"`([^`\n]*\\\|[^`\n]*)`")
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")
TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
#: A table with a cell of so many characters is one of sentences: on a phone it scrolls instead of being squeezed.
SENTENCE = 60


def on_files(files: Any, config: Any) -> Any:
    """Add a page for each file of the repository that a page links to, and for those at its top."""
    for page, name in TOP.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_links(text, "", page)))
    for page in list(files.documentation_pages()):
        for name in _outside(page.content_string, posixpath.join("docs", posixpath.dirname(page.src_uri))):
            if files.get_file_from_path(f"source/{name}.md") is None:
                shown = File.generated(config, f"source/{name}.md", content=_source(name))
                shown.inclusion = InclusionLevel.NOT_IN_NAV
                files.append(shown)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let links that leave docs/ lead to the pages of `on_files`, and show the bars in the code of tables."""
    markdown = BARS.sub(lambda code: f"<code>{html.escape(code[1]).replace(ESCAPED, '&#124;')}</code>", markdown)
    if page.file.src_uri in TOP or page.file.src_uri.startswith("source/"):
        return markdown
    return _links(markdown, posixpath.join("docs", posixpath.dirname(page.file.src_uri)), page.file.src_uri)


def on_page_content(content: str, page: Any, config: Any, files: Any) -> str:
    """Mark the tables that hold sentences in three columns or more; the style sheet gives them room."""

    def marked(found: Any) -> str:
        rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in found[0].split("</tr>")]
        texts = [re.sub(r"<[^>]+>", "", cell) for row in rows for cell in row]
        roomy = max(map(len, rows)) > 2 and max(map(len, texts), default=0) >= SENTENCE
        return found[0].replace("<table>", "<table data-sentences>", 1) if roomy else found[0]

    return TABLE.sub(marked, content)


def _outside(markdown: str, folder: str) -> Iterator[str]:
    """The files outside docs/ that a page of a folder of the repository links to."""
    for link in LINK.finditer(markdown):
        name = posixpath.normpath(posixpath.join(folder, link[2]))
        if not name.startswith(("docs/", "..")) and name not in TOP.values() and (ROOT / name).is_file():
            yield name


def _links(markdown: str, folder: str, page: str) -> str:
    """The links of a text that stands in a folder of the repository, as they must be on a page of the site."""

    def lead(link: Any) -> str:
        name = posixpath.normpath(posixpath.join(folder, link[2]))
        if name in TOP.values():
            target = next(target for target, top in TOP.items() if top == name)
        elif name.startswith("docs/"):
            target = name[len("docs/") :]
        elif not name.startswith("..") and (ROOT / name).is_file():
            target = f"source/{name}.md"
        else:
            return link[0]
        return link[1] + posixpath.relpath(target, posixpath.dirname(page) or ".") + link[3]

    return LINK.sub(lead, markdown)


def _source(name: str) -> str:
    """A page that shows a file."""
    kind = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".md": "markdown"}.get(Path(name).suffix, "text")
    text = (ROOT / name).read_text(encoding="utf-8")
    if Path(name).suffix == ".ipynb":
        return _notebook(name, text)
    return f"# {name}\n\n~~~~~~{kind}\n{text}\n~~~~~~\n"


def _notebook(name: str, text: str) -> str:
    """A page that shows a notebook with its outputs."""
    parts: List[str] = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(_links(source, posixpath.dirname(name), f"source/{name}.md"))
            continue
        parts.append(f"~~~~~~python\n{source}\n~~~~~~")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/svg+xml" in data:
                parts.append("<div>" + "".join(data["image/svg+xml"]) + "</div>")
            elif "image/png" in data:
                parts.append(f"![Output](data:image/png;base64,{''.join(data['image/png']).strip()})")
            else:
                shown = "".join(output.get("text", data.get("text/plain", "")))
                if shown.strip():
                    parts.append(f"~~~~~~text\n{shown.rstrip()}\n~~~~~~")
    return "\n\n".join(parts) + "\n"
