"""What a comparison gives for a paper: a LaTeX table, citations, figures as SVG and PDF whose names do not collide."""

from __future__ import annotations

import random
import re

import pytest
from test_comparison import column, comparison_of

from naslib_gennas.studies import citations, comparison_figures, plots, report


def test_every_proxy_of_this_package_says_what_to_cite(proxy_names):
    for name in proxy_names:
        assert citations.keys(name), name
    assert citations.keys("gennas-combo") == ["li2021gennas"]
    assert citations.keys("naslib:synflow") == citations.keys("synflow")
    assert citations.keys("mine") == []


def test_bibtex_has_each_paper_once_with_the_proxies_that_it_is_for():
    text = citations.bibtex(["synflow", "snip", "gennas-combo", "gennas-plus", "mine"])
    entries = re.findall(r"@\w+\{(\w+),", text)
    assert len(entries) == len(set(entries)) and entries[0] == "li2021gennas"
    assert "% gennas-combo, gennas-plus\n@inproceedings{li2021gennas," in text
    assert text.count("{") == text.count("}")


def test_a_folder_has_a_table_citations_and_figures_for_a_paper(tmp_path):
    made = comparison_of([column("gennas-combo", 0.8, 1), column("a_b$%&", 0.5, 2)])
    folder = report.write(made, tmp_path / "run")
    table = (folder / "table.tex").read_text(encoding="utf-8")
    assert r"\toprule" in table and r"a\_b\$\%\&" in table and r"top 10\%" in table
    assert len({line.count(" & ") for line in table.splitlines() if line.endswith(r"\\")}) == 1
    assert "li2021gennas" in (folder / "citations.bib").read_text(encoding="utf-8")
    assert (folder / "figures" / "cost.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert (folder / "figures" / "cost.pdf").read_bytes().startswith(b"%PDF")


def test_the_picture_of_a_ranking_is_there_as_png_svg_and_pdf(tmp_path):
    plots.scatter(tmp_path / "scatter.png", [1.0, 2.0, float("-inf")], [1.0, 3.0, 2.0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scatter.pdf", "scatter.png", "scatter.svg"]


@pytest.mark.parametrize("seed", range(3))
def test_names_in_the_cost_plot_do_not_overlap(seed):
    draw = random.Random(seed)
    names = ["gennas-plus", "gennas-combo", "synflow", "naswot", "zen", "meco", "zico", "swap", "params", "flops"]
    made = comparison_of([column(name, draw.uniform(0.4, 0.9), draw.uniform(0.2, 1.0)) for name in names])
    figure = comparison_figures.cost(made)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == len(names)
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            assert not (one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1)


def test_no_name_crosses_the_line_of_the_front():
    made = comparison_of([column("a name as long as this", 0.1, 1.0), column("b", 0.9, 1.2), column("c", 0.5, 1.9)])
    axis = comparison_figures.cost(made).axes[0]
    axis.figure.canvas.draw()
    (x0, y0), (x1, y1) = axis.transData.transform([(1.0, 0.1), (1.2, 0.9)])
    for text in axis.texts:
        box = text.get_window_extent()
        assert not (box.x0 < x1 < box.x1 and box.y0 < y1 and y0 < box.y1), text
        assert not (box.y0 < y0 < box.y1 and box.x0 < x1 and x0 < box.x1), text
