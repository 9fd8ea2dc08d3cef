"""The check that NASI is label- and data-agnostic: what is exchanged, what is compared, and that it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import CliRunner

from naslib_gennas import spaces
from naslib_gennas.cli.app import app
from naslib_gennas.errors import InputError
from naslib_gennas.regression import batches
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.studies import agnostic, nasi
from naslib_gennas.studies.result import Interrupted

SMALL = Profile(name="small", cells=1, channels=4, images=6, resolution=8, steps=3)


@pytest.fixture(autouse=True, scope="module")
def small_sample() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agnostic, "SAMPLE", 6)
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agnostic") / "s.sqlite"


@pytest.fixture(scope="module")
def checked(small_sample: None, store: Path) -> agnostic.Checked:
    return agnostic.check("nasbench201", profile=SMALL, truth=None, store=store)


def test_images_and_labels_are_exchanged_and_chance_is_measured(checked: agnostic.Checked) -> None:
    assert [(row.images, row.labels) for row in checked.rows[:5]] == list(agnostic.DATA)
    changed = [row.changed for row in checked.rows]
    assert changed == ["", "images", "images and labels", "images", "images and labels", "draws", "weights"]
    first = checked.rows[0]
    assert first.same and first.edges == 1.0 and first.rho is None
    for row in checked.rows:
        space = spaces.get("nasbench201")
        assert row.same == (space.key(space.parse(row.arch)) == space.key(space.parse(first.arch)))
        assert row.rho is None or -1 <= row.rho[1] <= row.rho[0] <= row.rho[2] <= 1
    assert checked.rows[5].rho is None  # other draws of architectures: the same trace norms
    assert 0 <= checked.edges(True) <= 1 and checked.least_rho <= max(row.rho[0] for row in checked.rows if row.rho)
    assert json.dumps(checked.to_json())


def test_true_classes_are_those_of_the_images() -> None:
    assert batches.classes("photos", 6) == (0, 1, 2, 3, 0, 1)
    assert batches.classes("gaussian-classes:4", 12) == (*range(10), 0, 1)
    assert batches.classes("noise", 6) is None and batches.classes("cifar:somewhere", 6) is None


def test_a_search_on_true_labels_sees_them() -> None:
    scorer = nasi.scorer("nasbench201", profile=SMALL, inputs="photos")
    traces = [
        [draw.trace for draw in nasi.run(scorer, nasi.Ascent(labels=labels), None, None, None, lambda *_: None).draws]
        for labels in (None, batches.classes("photos", 6), (0,) * 6)
    ]
    assert len({tuple(one) for one in traces}) == 3


def test_a_stopped_check_goes_on_and_ends_alike(checked: agnostic.Checked, tmp_path: Path) -> None:
    def stop(name: str, done: int, total: int) -> None:
        if name.startswith("photos, classes") and done == 2:
            raise KeyboardInterrupt

    given: Any = {"profile": SMALL, "truth": None, "store": tmp_path / "s.sqlite"}
    with pytest.raises(Interrupted) as stopped:
        agnostic.check("nasbench201", **given, progress=stop)
    assert len(stopped.value.result.rows) == 2
    assert agnostic.check("nasbench201", **given).rows == checked.rows


@pytest.mark.parametrize("said", [{"inputs": "photos"}, {"workers": 2}, {"proxy": "synflow"}])
def test_what_the_check_cannot_honour_is_refused_by_name(said: Any) -> None:
    with pytest.raises(InputError, match=f"no use for {next(iter(said))}"):
        agnostic.check("nasbench201", profile=SMALL, truth=None, **said)


def test_the_command(tmp_path: Path, store: Path, checked: agnostic.Checked) -> None:
    profile = tmp_path / "small.yaml"
    profile.write_text("name: small\ncells: 1\nchannels: 4\nimages: 6\nresolution: 8\nsteps: 3\n")
    command = ["agnostic", "nasbench201", "--profile", str(profile), "--truth", "none", "--store", str(store)]
    done = CliRunner().invoke(app, [*command, "--json", "-"])
    assert done.exit_code == 0, done.output
    assert [row["arch"] for row in json.loads(done.stdout)["rows"]] == [row.arch for row in checked.rows]
    assert "Trace norms on other images and labels" in done.stderr
    done = CliRunner().invoke(app, [*command, "--estimator", "guess"])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "gumbel-softmax" in done.stderr
