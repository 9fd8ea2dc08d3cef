"""What a user without NASLib sees, and what needs no NASLib."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import subprocess
import sys
import textwrap
import urllib.error
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest

from naslib_gennas.errors import InputError
from naslib_gennas.plugin import compat, config, doctor


def test_import_is_quick_and_needs_no_naslib() -> None:
    code = """
    import sys, time
    start = time.process_time()
    import naslib_gennas
    seconds = time.process_time() - start
    assert "naslib" not in sys.modules and "torch" not in sys.modules
    assert seconds < 2, seconds
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize("module", ["predictor", "optimizer", "evaluators"])
def test_modules_that_need_naslib_say_how_to_get_it(no_naslib: None, module: str) -> None:
    with pytest.raises(InputError, match="git clone") as caught:
        importlib.import_module(f"naslib_gennas.plugin.{module}")
    assert "\n" not in str(caught.value)


def test_functions_that_need_naslib_say_how_to_get_it(no_naslib: None) -> None:
    from naslib_gennas import register
    from naslib_gennas.plugin.graph_space import NaslibSpace

    for call in (register, lambda: NaslibSpace("nasbench201")):
        with pytest.raises(InputError, match="git clone"):
            call()


@pytest.mark.parametrize("runner", ["predictors", "zc", "nas", "run"])
def test_runners_exit_with_2_and_one_line(
    no_naslib: None, runner: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    module = importlib.import_module(f"naslib_gennas.plugin.{runner}")
    script = tmp_path / "script.py"
    script.touch()
    arguments = [str(script)] if runner == "run" else ["--config-file", "x.yaml"]
    assert config.command(module.run, arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "git clone" in lines[0]


def test_doctor_works_without_naslib(no_naslib: None) -> None:
    report = doctor.examine()
    by_name = {check.name: check for check in report.checks}
    assert not report.ready
    assert by_name["NASLib"].status == "todo" and "git clone" in by_name["NASLib"].detail
    assert all("\n" not in check.detail for check in report.checks)


def test_plain_turns_hashes_into_plain_ints() -> None:
    given = (np.int64(1), [np.int64(2), (np.int32(3), 4)], np.array([5, 6]))
    assert str(compat.plain(given)) == "(1, (2, (3, 4)), (5, 6))"


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("search:\n  gennas:\n    task: combo\n", "'search.gennas' holds keys.*gennas_task under 'search'"),
        ("seed:\n", "'seed' has no value"),
        ("search:\n  epochs:\n", "'search.epochs' has no value"),
        ("- a\n", "keys and values"),
        ("a: [", "cannot be read"),
    ],
)
def test_configs_that_naslib_cannot_read_are_named(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        config.load(_file(tmp_path, text))


def test_missing_config_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        config.load(tmp_path / "absent.yaml")


def test_overrides_keep_types() -> None:
    content = {"seed": 0, "search": {"epochs": 5, "zc": True, "rate": 0.5}, "predictors": ["a"], "out_dir": "run"}
    changed = config.override(content, ["seed", "3", "search.zc", "False", "search.rate", "1", "predictors", "[b, c]"])
    assert changed["seed"] == 3 and changed["search"] == {"epochs": 5, "zc": False, "rate": 1.0}
    assert changed["predictors"] == ["b", "c"]
    assert content["search"]["zc"] is True


@pytest.mark.parametrize(
    ("opts", "word"),
    [
        (["seed"], "stands alone"),
        (["sead", "1"], "no key 'sead'.*did you mean 'seed'"),
        (["search.epochs.more", "1"], "no key"),
        (["search", "1"], "no key 'search'"),
        (["seed", "many"], "takes a int"),
    ],
)
def test_wrong_overrides_are_named(opts: List[str], word: str) -> None:
    content: Any = {"seed": 0, "search": {"epochs": 5}}
    with pytest.raises(InputError, match=word):
        config.override(content, opts)


@pytest.mark.parametrize("old", ["spaces.naslib_graph", "plugin.naslib_graph"])
def test_old_names_of_graphs_and_taps_work_with_a_warning(old: str) -> None:
    from naslib_gennas.plugin import graph_network, graph_space, notations, taps

    sys.modules.pop(f"naslib_gennas.{old}", None)
    with pytest.warns(DeprecationWarning, match="naslib_gennas.plugin.taps"):
        module: Any = importlib.import_module(f"naslib_gennas.{old}")
    assert module.NaslibSpace is graph_space.NaslibSpace and module.staged_network is graph_network.staged_network
    assert (module.TABLE, module.row_of, module.taps_of, module.names) == (
        taps.TABLE,
        taps.row_of,
        taps.taps_of,
        taps.names,
    )
    assert module.spec_201 is notations.spec_201
    with pytest.raises(AttributeError, match="has no 'never'"):
        module.never  # noqa: B018 - the look-up is what is tested


def test_rivals_are_found_by_entry_point_and_unknown_ones_are_named() -> None:
    from naslib_gennas import extensions
    from naslib_gennas.studies import comparison

    found = extensions.entry_points(comparison.RIVALS)
    if not found:  # they come with the installation
        with pytest.raises(importlib.metadata.PackageNotFoundError):
            importlib.metadata.distribution("naslib-gennas")
        pytest.skip("naslib-gennas is not installed, merely on the import path")
    assert "naslib" in found
    with pytest.raises(InputError, match="unknown rival 'nasli'; did you mean 'naslib'"):
        comparison.compare("nasbench201", ["params"], 2, truth=None, via="nasli")


def test_a_download_of_naslib_that_fails_is_called_one() -> None:
    said = compat.blame(urllib.error.URLError("no such host"))
    assert said.startswith("a download failed (no such host)") and "naslib_gennas.plugin.*" in said


def test_scores_are_exported_as_naslib_publishes_its_own(tmp_path: Path) -> None:
    from commands import CliRunner

    from naslib_gennas.cli import app

    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    (tmp_path / "table.csv").write_text(f"arch,accuracy\n{cell},91.5\n")
    words = ["export-scores", "nasbench201", "--proxies", "params,naswot", "--format", "naslib", "--workers", "1"]
    words += ["--truth", f"{tmp_path}/table.csv:accuracy", "--store", f"{tmp_path}/s.db", "--to", f"{tmp_path}/zc.json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "zc.json").read_text())
    ((spec, row),) = content["cifar10"].items()
    assert spec == "(2, 1, 4, 0, 3, 2)" and row["val_accuracy"] == 91.5
    assert row["params"]["score"] > 0 and set(row["naswot"]) == {"score", "time"}
    refused = CliRunner().invoke(app, ["export-scores", "nds-darts", "--to", f"{tmp_path}/no.json"])
    assert refused.exit_code == 2 and "NASLib has no notation of these architectures" in " ".join(
        refused.output.split()
    )
