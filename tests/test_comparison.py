"""`gennas compare`: one table, cheap from the store, faults said, a report that opens."""

from __future__ import annotations

import csv
import html
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import List, Optional

import numpy as np
import pytest

from naslib_gennas import proxies, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.proxies import aggregation
from naslib_gennas.scoring.store import Store
from naslib_gennas.studies import comparison, comparison_figures, report
from naslib_gennas.studies.comparison import Column, Comparison, compare
from naslib_gennas.truth import metrics, sampling, significance
from naslib_gennas.truth.metrics import Estimate

FAST = {"cells": 1, "channels": 4, "images": 4, "resolution": 8, "steps": 2}
SPACE = spaces.get("nasbench201")


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 30 architectures whose truth is their number of 3x3 convolutions, and a little more."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("truth") / "truth.csv"
    cells = {SPACE.format(SPACE.sample(rng)) for _ in range(60)}
    cells = [cell for cell in sorted(cells) if not SPACE.untrainable(SPACE.parse(cell))][:30]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["arch", "accuracy"])
        writer.writerows((cell, cell.count("3x3~") + rng.random()) for cell in cells)
    return path


@pytest.fixture(scope="module")
def result(truth: Path) -> Comparison:
    names = ["params", "l2_norm", "synflow", "vote:params+l2_norm+synflow", "gennas-nlp-combo"]
    return compare("nasbench201", names, 20, truth=truth, profile=FAST, workers=1)


def test_the_table_has_what_metrics_say_of_the_same_scores(result: Comparison) -> None:
    params, l2_norm = result.columns[:2]
    assert (result.n, len(params.scores)) == (20, 20)
    assert params.spearman == metrics.spearman(params.scores, result.values, 0)
    assert l2_norm.kendall == metrics.kendall(l2_norm.scores, result.values, 0)
    assert l2_norm.retrieval == metrics.retrieval(l2_norm.scores, result.values, 10.0, 0)
    assert l2_norm.difference == metrics.difference("spearman", l2_norm.scores, params.scores, result.values, 0)
    assert params.difference is None and params.significant is None
    assert params.seconds > 0
    rho = np.corrcoef(aggregation.ranks(params.scores), aggregation.ranks(l2_norm.scores))[0, 1]
    assert result.agreement[0][1] == pytest.approx(rho)
    assert result.agreement[0][0] == pytest.approx(1)


def test_a_proxy_that_cannot_score_the_space_says_why_and_the_others_go_on(result: Comparison) -> None:
    refused = result.columns[-1]
    assert refused.scores == () and "rnn" in refused.problem
    assert all(not column.problem for column in result.columns[:-1])
    assert "cannot score this space" in report.render(result)


def test_a_vote_is_the_vote_of_its_parts(result: Comparison) -> None:
    parts, voted = np.array([column.scores for column in result.columns[:3]]), result.columns[3]
    wins = [
        sum((np.sign(np.sign(parts[:, i] - parts[:, j]).sum()) + 1) / 2 for j in range(result.n) if j != i)
        for i in range(result.n)
    ]
    assert list(voted.scores) == pytest.approx(wins)
    assert voted.seconds == pytest.approx(sum(column.seconds for column in result.columns[:3]))


@pytest.mark.parametrize(
    "rule, expected",
    [
        (aggregation.vote, [0, 1, 2, 3]),
        (aggregation.ranksum, [3, 6, 9, 12]),
        (aggregation.log_ranks, list(3 * np.log([0.25, 0.5, 0.75, 1]))),
    ],
)
def test_aggregates_of_like_minded_parts(rule: aggregation.Combine, expected: List[float]) -> None:
    scores = np.array([[-math.inf, 0, 1, 2], [1, 2, 3, 30], [-5, -4, -3, -2.0]])
    assert list(rule(scores)) == pytest.approx(expected)


def test_a_majority_outvotes_one_loud_part() -> None:
    scores = np.array([[1.0, 2.0], [1.0, 2.0], [1e9, 0.0]])
    assert list(aggregation.vote(scores)) == [0, 1]


def test_nasi_ada_prefers_a_trace_near_the_mean() -> None:
    found = aggregation.below_mean(np.array([[1.0, 2.0, 3.0, 10.0, -math.inf]]))
    assert list(found) == [1.0, 2.0, 3.0, -2.0, -math.inf]


def test_standardised_scores_add_up_in_standard_deviations() -> None:
    parts = np.array([[0.0, 2.0, 4.0, 2.0], [1e9, 1e9, 3e9, -math.inf], [7.0, 7.0, 7.0, 7.0]])
    first, second = np.array([-2, 0, 2, 0]) / math.sqrt(2), np.array([-1, -1, 2]) / math.sqrt(2)
    assert aggregation.zsum(parts)[:3] == pytest.approx(first[:3] + second)
    assert aggregation.zsum(parts)[3] == -math.inf


def test_standardised_scores_tell_apart_what_is_better_than_all_of_the_sample() -> None:
    reference = np.random.default_rng(0).normal(size=(2, 50))
    alone = [aggregation.against(reference, [value, 0.0], aggregation.zsum) for value in (4.0, 5.0, 6.0)]
    ranked = [aggregation.against(reference, [value, 0.0], aggregation.ranksum) for value in (4.0, 5.0, 6.0)]
    assert alone[0] < alone[1] < alone[2] and len(set(ranked)) == 1


def test_against_a_reference_orders_as_within_the_sample() -> None:
    rng = np.random.default_rng(0)
    reference, new = rng.normal(size=(3, 50)), rng.normal(size=(3, 5))
    alone = [aggregation.against(reference, new[:, i], aggregation.ranksum) for i in range(5)]
    joint = aggregation.ranksum(np.concatenate([reference, new], 1))[50:]
    assert list(np.argsort(alone)) == list(np.argsort(joint))


@pytest.mark.parametrize("name", ["vote:params", "ranksum:", "vote:params+az_nas", "votes:a+b", "params+l2_norm"])
def test_names_that_mean_nothing(name: str) -> None:
    with pytest.raises(InputError) as raised:
        compare("nasbench201", [name], 3, truth=None, workers=1)
    assert "\n" not in str(raised.value)


def test_another_proxy_recomputes_nothing(truth: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "scores.sqlite") as store:
        compare("nasbench201", ["params"], 8, truth=truth, profile=FAST, workers=1, store=store)
        before = list(store.rows(proxy="params"))
        again = compare("nasbench201", ["l2_norm", "params"], 8, truth=truth, profile=FAST, workers=1, store=store)
        assert list(store.rows(proxy="params")) == before and len(before) == 8
        assert len(list(store.rows(proxy="l2_norm"))) == 8
    assert [column.name for column in again.columns] == ["l2_norm", "params"]


def test_proxies_of_a_file_of_the_users_own(truth: Path, tmp_path: Path) -> None:
    """In worker processes too; one raises, one is not a number for some architectures: counted, ranked last."""
    file = tmp_path / "mine.py"
    file.write_text(
        textwrap.dedent(
            """
            import math
            from naslib_gennas.proxies import proxy

            def layers(network):
                return sum(1 for _ in network.modules())

            @proxy("mine-deep")
            def deep(network, inputs, seed):
                return layers(network)

            @proxy("mine-odd")
            def odd(network, inputs, seed):
                return math.nan if layers(network) % 2 else 1.0 * layers(network)

            @proxy("mine-broken")
            def broken(network, inputs, seed):
                raise RuntimeError("no such luck")
            """
        )
    )
    found = compare("nasbench201", ["params", str(file)], 12, truth=truth, profile=FAST, workers=2)
    columns = {column.name: column for column in found.columns}
    assert set(columns) == {"params", "mine-deep", "mine-odd", "mine-broken"}
    assert columns["mine-deep"].not_ok == {} and len(set(columns["mine-deep"].scores)) > 1
    assert (
        columns["mine-broken"].not_ok == {"failed": 12} and "no such luck" in columns["mine-broken"].reasons["failed"]
    )
    odd = columns["mine-odd"]
    assert odd.not_ok == {"diverged": odd.scores.count(-math.inf)} and 0 < odd.not_ok["diverged"] < 12
    assert any("mine-broken: 12 failed" in note for note in report.notes(found))


@pytest.mark.parametrize(
    "code, message",
    [
        ("def f(:\n", "line 1: "),
        ("x = 1\nundefined_name\n", "line 2: NameError"),
        (
            "from naslib_gennas.proxies import proxy\nproxy('synflow')(lambda n, i, s: 0)\n",
            "line 2: ValueError",
        ),
        ("x = 1\n", "registers no proxy"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, code: str, message: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(code)
    with pytest.raises(InputError) as raised:
        compare("nasbench201", [str(file)], 3, truth=None, workers=1)
    assert str(file) in str(raised.value) and message in str(raised.value) and "\n" not in str(raised.value)
    with pytest.raises(InputError, match="cannot be read"):
        proxies.load_file(tmp_path / "absent.py")


def test_noise_for_images_is_an_option_of_every_proxy(truth: Path) -> None:
    names = ["jacob_cov", "snip", "gennas-combo"]
    photos, noise = (
        compare("nasbench201", names, 4, truth=truth, profile=FAST, workers=1, inputs=inputs)
        for inputs in ("photos", "noise")
    )
    assert {column.settings["inputs"] for column in noise.columns} == {"noise"}
    assert all(a.scores != b.scores for a, b in zip(photos.columns, noise.columns))
    assert "--inputs noise" in report.command(noise)


def test_fewer_than_ten_architectures_are_too_few_to_say_much(truth: Path) -> None:
    found = compare("nasbench201", ["params"], 5, truth=truth, profile=FAST, workers=1)
    assert any("Only 5 architectures" in note for note in report.notes(found))


def test_an_interrupt_keeps_the_proxies_that_are_done(truth: Path) -> None:
    def stop(name: str, done: int, total: int) -> None:
        if name == "l2_norm" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(comparison.Interrupted) as raised:
        compare("nasbench201", ["params", "l2_norm"], 8, truth=truth, profile=FAST, workers=1, progress=stop)
    assert [column.name for column in raised.value.result.columns] == ["params"]
    assert not raised.value.result.complete


def column(name: str, rho: float, seconds: float) -> Column:
    return Column(name, (1.0, 2.0), seconds, spearman=Estimate(rho, rho - 0.1, rho + 0.1))


def comparison_of(columns: List[Column], truth: Optional[dict] = None) -> Comparison:
    facts = truth or {"name": "t", "matched": 2, "higher_is_better": True}
    matrix = tuple((1.0,) * len(columns) for _ in columns)
    return Comparison("nasbench201", ("a", "b"), (1.0, 2.0), tuple(columns), matrix, None, 0, 10.0, facts, 1.0)


def test_the_front_holds_what_nothing_beats() -> None:
    found = comparison_of(
        [column("dear", 0.9, 10), column("cheap", 0.5, 1), column("worse", 0.4, 2), column("bad", 0.8, 20)]
    )
    assert found.front == ("cheap", "dear")


def test_the_report_speaks_of_a_line_only_where_one_is_drawn() -> None:
    two, alone = (comparison_of([column("a", 0.5, 1), column("b", rho, 2)]) for rho in (0.9, 0.4))
    assert "dashed line" in report.render(two) and "dashed line" not in report.render(alone)
    assert [line.get_linestyle() for line in comparison_figures.cost(alone).axes[0].get_lines()].count("--") == 0


def test_signs_of_latex_are_text_and_every_proxy_has_a_figure_of_its_own(tmp_path: Path) -> None:
    names = ["cost", "a/b", "a-b", "A b", "[x]<y>|_z"]
    folder = report.write(comparison_of([column(name, 0.5, 1) for name in names]), tmp_path / "run")
    figures = {file.stem for file in (folder / "figures").glob("*.svg")}
    assert figures == {"cost", "cost-2", "a-b", "a-b-2", "A-b-3", "x-y-_z"}
    assert r"{}[x]\textless{}y\textgreater{}\textbar{}\_z & " in (folder / "table.tex").read_text()


def test_names_cannot_inject_into_the_report() -> None:
    html = report.render(comparison_of([column("<script>alert(1)</script>", 0.5, 1)]))
    assert "<script" not in html


def test_the_folder_has_everything_and_the_report_needs_no_network(result: Comparison, tmp_path: Path) -> None:
    folder = report.write(result, tmp_path / "run")
    rows = list(csv.DictReader(open(folder / "table.csv", newline="")))
    assert [row["proxy"] for row in rows] == [column.name for column in result.columns]
    assert float(rows[1]["difference_low"]) == pytest.approx(result.columns[1].difference.low)
    scores = list(csv.DictReader(open(folder / "scores.csv", newline="")))
    assert len(scores) == 20 and float(scores[0]["params"]) == result.columns[0].scores[0]
    content = json.loads((folder / "result.json").read_text())
    assert content["proxies"][0]["settings"]["profile"]["steps"] == 2 and content["n"] == 20
    page = (folder / "report.html").read_text(encoding="utf-8")
    for outside in ("http://", "https://", "<script", '<link rel="stylesheet'):
        assert outside not in page
    assert page.count("data:image/svg+xml") == 1 + 4  # cost, and a scatter for each proxy with scores


@pytest.mark.parametrize("width", [1280, 400])
def test_the_report_opens_in_a_browser(result: Comparison, tmp_path: Path, width: int) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium to open the report with")
    folder = report.write(result, tmp_path)
    # The page says how it is laid out by its title, which the dump of its tree then has.
    probe = folder / "probe.html"
    probe.write_text(
        (folder / "report.html")
        .read_text(encoding="utf-8")
        .replace(
            "</body>",
            "<script>const small=[...document.querySelectorAll('p,td,th,pre')]"
            ".filter(e => parseFloat(getComputedStyle(e).fontSize) < 14).length;"
            "const names=Math.min(...[...document.querySelectorAll('td:first-child')].map(e => e.clientWidth));"
            "const broken=[...document.images].filter(i => !i.complete || !i.naturalWidth).length;"
            "document.title=JSON.stringify([innerWidth, document.documentElement.scrollWidth, small, broken, names])"
            "</script></body>",
        ),
        encoding="utf-8",
    )
    # A window is never narrower than some 500 pixels, a frame may be.
    frame = folder / "frame.html"
    frame.write_text(
        f"<iframe src='probe.html' style='width:{width}px;height:900px;border:0' "
        "onload='setTimeout(() => document.title = this.contentDocument.title, 200)'></iframe>"
    )
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    command += ["--enable-logging=stderr", "--virtual-time-budget=5000", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [*command, "--window-size=1400,1000", "--dump-dom", frame.as_uri()], capture_output=True, text=True, timeout=240
    )
    assert "CONSOLE" not in done.stderr
    title = done.stdout.split("<title>")[1].split("</title>")[0]
    inner, scrolled, small, broken, names = json.loads(title)
    assert (inner, small, broken) == (width, 0, 0)
    assert names >= 100  # no name is broken into letters
    assert scrolled <= width  # tables scroll inside the page, the page does not


PACKAGE = {
    "pyproject.toml": """
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"
        [project]
        name = "gennas-guest"
        version = "1"
        [project.entry-points."naslib_gennas.proxies"]
        guest = "gennas_guest"
        broken = "gennas_guest_that_is_not_there"
        [project.entry-points."naslib_gennas.spaces"]
        guest-cells = "gennas_guest:Guest"
        [tool.setuptools]
        py-modules = ["gennas_guest"]
        """,
    "gennas_guest.py": """
        from naslib_gennas.proxies import proxy
        from naslib_gennas.spaces import search_space
        from naslib_gennas.spaces.nasbench201 import NasBench201

        @proxy("guest-depth")
        def depth(network, inputs, seed):
            return float(len(list(network.modules())))

        @search_space("guest-cells")
        class Guest(NasBench201):
            pass
        """,
}


def test_a_package_brings_proxies_and_spaces_by_being_installed(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name, text in PACKAGE.items():
        (source / name).write_text(textwrap.dedent(text))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, capture_output=True, timeout=300)
    code = """
        from naslib_gennas import proxies, spaces
        from naslib_gennas.studies.comparison import compare
        assert "guest-depth" in proxies.names() and "guest-cells" in spaces.names()
        found = compare("guest-cells", ["guest-depth"], 3, truth=None, workers=2,
                        profile={"cells": 1, "channels": 4, "images": 2, "resolution": 8})
        assert found.space == "guest-cells" and found.columns[0].not_ok.keys() <= {"untrainable"}, found
        """
    root = str(Path(comparison.__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(target), root]), "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "gennas_guest_that_is_not_there" in done.stderr  # a broken guest is named, and left out


def test_the_command(truth: Path, tmp_path: Path) -> None:
    from commands import CliRunner

    from naslib_gennas.cli.app import app

    common = ["compare", "nasbench201", "--n", "6", "--workers", "1", "--store", str(tmp_path / "scores.sqlite")]
    common += ["--truth", str(truth), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, [*common, "--proxies", "params,gennas-nlp-combo", "--json", "-"])
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    assert content["n"] == 6 and [proxy["name"] for proxy in content["proxies"]] == ["params", "gennas-nlp-combo"]
    assert "cannot score nasbench201" in done.stderr and (tmp_path / "run" / "report.html").is_file()
    wrong = CliRunner().invoke(app, [*common, "--proxies", "params,sinflow"])
    assert wrong.exit_code == 2 and "did you mean 'synflow'" in wrong.stderr and "Traceback" not in wrong.stderr


def test_the_command_of_a_report_repeats_it(empty_folder: Path) -> None:
    from commands import CliRunner

    from naslib_gennas.cli.app import app

    (empty_folder / "mine.py").write_text(
        "from naslib_gennas.proxies import proxy\n"
        f"@proxy('spread of {empty_folder}')\n"
        "def spread(network, inputs, seed):\n"
        "    return float(sum(one.numel() for one in network.parameters()) % 1000)\n"
    )
    archs = [SPACE.format(arch) for arch in sampling.draw(SPACE, 5, 3)]
    (empty_folder / "a b.txt").write_text("\n".join(archs))
    (empty_folder / "in").mkdir()
    (empty_folder / "in" / "t.csv").write_text("arch,acc\n" + "".join(f"{a},{i}\n" for i, a in enumerate(archs)))
    given = [
        "--proxies",
        "params,mine.py",
        "--archs",
        "a b.txt",
        "--truth",
        "in/t.csv:acc",
        "--top",
        "40",
        "--seed",
        "2",
    ]
    place = ["--workers", "1", "--store", "s.sqlite", "--out"]
    assert CliRunner().invoke(app, ["compare", "nasbench201", *given, *place, "first"]).exit_code == 0
    page = html.unescape((empty_folder / "first" / "report.html").read_text())
    command = next(line for line in page.splitlines() if "gennas compare" in line)
    command = re.sub(r"<[^>]*>", "", command)
    assert CliRunner().invoke(app, [*shlex.split(command)[1:], *place, "second"]).exit_code == 0
    first, second = ((empty_folder / name / "table.csv").read_text() for name in ("first", "second"))
    assert first == second


def test_significance_is_corrected_for_how_many_proxies_there_are(truth: Path) -> None:
    result = compare(SPACE, ["params", "flops", "l2_norm", "naswot"], 30, truth=truth, profile=FAST, workers=1)
    differences = [column.difference for column in result.columns[1:]]
    assert [column.p for column in result.columns[1:]] == significance.holm([one.p for one in differences])
    for column in result.columns[1:]:
        assert column.significant is (column.p < 0.05) and column.p >= column.difference.p
    assert [row["p_holm"] for row in report.rows(result)] == [None, *(column.p for column in result.columns[1:])]


def test_what_was_done_to_the_truth_is_said(tmp_path: Path) -> None:
    drawn = list(sampling.draw(SPACE, 20, 0))
    size = {SPACE.format(arch): -sum(operation == "nor_conv_3x3" for operation in arch) for arch in drawn}
    path = tmp_path / "t.csv"
    rows = [*size.items(), *list(size.items())[:2], (SPACE.format(drawn[0]), "broken")]
    path.write_text("\n".join(["arch,fehler", *(f"{arch},{value}" for arch, value in rows)]), encoding="utf-8")
    result = compare(SPACE, ["params", "flops"], truth=path, workers=1)
    notes = report.notes(result)
    for words in ("1 of 23 rows are no numbers", "2 of 20 architectures have repeated rows", "add --lower-is-better"):
        assert sum(words in note for note in notes) == 1, notes
    assert "--lower-is-better" not in report.command(result)
    asked = compare(SPACE, ["params", "flops"], truth=path, workers=1, higher_is_better=False)
    assert asked.columns[0].spearman.value == -result.columns[0].spearman.value
    assert "--lower-is-better" in report.command(asked) and not any("add --" in note for note in report.notes(asked))
