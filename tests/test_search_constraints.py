"""gennas search under constraints on the network that is trained: from the command line, and resumed."""

from __future__ import annotations

import json

import pytest
from commands import CliRunner

from naslib_gennas import spaces
from naslib_gennas.cli import app
from naslib_gennas.regression.profiles import Profile
from naslib_gennas.studies import search
from naslib_gennas.studies.constraints import parse

TINY = Profile(name="tiny", steps=2, images=2, resolution=8, target_size=2, cells=1, channels=4)
QUICK = [
    "--proxy",
    "params",
    "--population",
    "2",
    "--tournament",
    "1",
    "--no-control",
    "--finalists",
    "0",
    "--workers",
    "1",
]


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.mark.usefixtures("empty_folder")
def test_depth_and_width_of_the_trained_network_are_options():
    sizes = ["--cells", 5, "--channels", 8, "--resolution", 16]
    result = run("search", "darts", *QUICK, *sizes, "--evaluations", 3, "--constraint", "params<60K", "--json", "-")
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["settings"]["constraints"] == ["params<60K (resolution 16)"]
    small = spaces.get("darts", cells=5, channels=8)
    assert all(parse("params<60K").met(small, small.parse(row["arch"])) for row in content["history"])
    wrong = run("search", "nasbench201", *QUICK, "--cells", 5)
    assert wrong.exit_code == 2 and "nasbench201: unknown setting 'cells'" in wrong.stderr


def test_a_resumed_search_takes_the_measurements_of_the_first(empty_folder):
    (empty_folder / "my.py").write_text(
        "import pathlib, random\n"
        "def cost(network):\n"
        "    with open('calls', 'a') as file: file.write('.')\n"
        "    return random.SystemRandom().random()\n"
    )

    def found(evaluations):
        settings = {
            "profile": TINY,
            "proxy": "params",
            "control": False,
            "finalists": 0,
            "population": 4,
            "tournament": 2,
        }
        bounds = {"constraint": ["my.py:cost<0.5"], "store": "scores.sqlite", "truth": None}
        made = search.search("nasbench201", evaluations=evaluations, **bounds, **settings)
        return [step.arch for step in made.course.steps]

    first = found(5)
    assert found(5) == first
    calls = (empty_folder / "calls").read_text()
    assert found(5) == first and (empty_folder / "calls").read_text() == calls
