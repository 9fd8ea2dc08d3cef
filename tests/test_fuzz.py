"""Hostile texts: architectures, tasks, profiles, configurations, names. See `fuzzing`."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from fuzzing import COUNT, VALUES, changed, check, drawing, limit

from naslib_gennas import proxies, spaces
from naslib_gennas.errors import InputError
from naslib_gennas.plugin import config
from naslib_gennas.regression import profiles, tasks

SPACES = spaces.names()


@pytest.mark.parametrize(
    "name", [name for name in SPACES if not name.startswith("nds-")] + ["nds-darts", "nds-resnext-a"]
)
def test_architectures(name):
    space, draw = spaces.get(name), drawing(name)
    rng = np.random.default_rng(0)
    for _ in range(COUNT):
        text = space.format(space.sample(rng))
        check(lambda given: space.key(space.parse(given)), changed(text, draw))
    for value in VALUES:
        check(space.parse, value)
        for key in ("matrix", "ops", "normal", "reduce_concat", "genotype", "ds", "bot_muls", "op", "net"):
            check(space.parse, {key: value})
            with contextlib.suppress(yaml.YAMLError):
                plain = yaml.safe_load(space.format(space.sample(rng)))
                if isinstance(plain, dict):
                    check(space.parse, {**plain, draw.choice(sorted(plain)): value})


@pytest.mark.parametrize("text", ['{"matrix": ' + "[" * 20000, "[" * 20000 + "]" * 20000, '{"a":' * 20000])
def test_deep_architectures(text):
    for name in ("nasbench101", "nasbenchnlp", "darts", "nds-darts", "nds-resnet"):
        assert check(spaces.get(name).parse, text)


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("nasbench201", "|none~²|+|none~0|none~1|+|none~0|none~1|none~2|", "must come from"),
        ("nasbench101", '{"matrix": [[0, 1], [0, 0]], "ops": 5}', "'ops' must name"),
        ("nds-resnext-a", '{"ds": [1, 1], "ws": [1, 1], "ss": [1, 1], "bot_muls": [0, Infinity]}', "Infinity"),
        ("darts", "Genotype(normal=range(10**9))", "one looks like"),
        ("darts", '{"normal": ' + "9" * 400 + "}", "400 digits"),
    ],
)
def test_an_architecture_is_refused_with_the_reason(name, text, words):
    with pytest.raises(InputError, match=words):
        spaces.get(name).parse(text)


def test_tasks(tmp_path):
    draw, file = drawing("tasks"), tmp_path / "task.yaml"
    examples = [tasks.dump(tasks.get(name)) for name in tasks.names()]
    for _ in range(4 * COUNT):
        file.write_bytes(changed(draw.choice(examples), draw).encode("utf-8", "surrogatepass"))
        check(tasks.get, str(file))


def test_profiles(tmp_path):
    draw, file = drawing("profiles"), tmp_path / "profile.yaml"
    fields = [field for field in profiles.Profile.__dataclass_fields__ if field != "name"]
    for _ in range(4 * COUNT):
        lines = [f"{key}: {getattr(profiles.FAST, key)}" for key in draw.sample(fields, 5)]
        file.write_bytes(changed("\n".join(lines), draw).encode("utf-8", "surrogatepass"))
        check(profiles.get, file)
    for value in VALUES:
        for field in profiles.Profile.__dataclass_fields__:
            check(profiles.get, {field: value})


def test_config_files_of_naslib(tmp_path):
    draw, file = drawing("configs"), tmp_path / "config.yaml"
    examples = [path.read_text() for path in sorted(Path(__file__).parents[1].glob("examples/configs/*.yaml"))]
    assert examples
    for _ in range(2 * COUNT):
        file.write_bytes(changed(draw.choice(examples), draw).encode("utf-8", "surrogatepass"))
        check(config.load, file)


def test_yaml_as_people_write_it(tmp_path):
    file = tmp_path / "task.yaml"
    plain = tasks.dump(tasks.get("combo"))
    file.write_text(plain.replace("learning_rate: 0.1", "learning_rate: 1e-3"))
    assert tasks.get(str(file)).optimizer.learning_rate == 1e-3
    shared = "kind: cnn\nstages:\n- &s {channels: 16, signals: [{basis: zero}]}\n- *s\n- *s\n"
    assert [stage.channels for stage in tasks.parse(shared, "t").stages] == [16, 16, 16]
    letters = "abcdefghij"
    bomb = "a: &a [x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip(letters, letters[1:])
    )
    wrong = {
        "a: 1\nsteps: 2\na: 3": "twice",
        "steps: .inf": "finite",
        "steps: 2001-99-99": "whole number",
        "steps: !!int foo": "'foo' is no whole number",
        "steps: " + "9" * 400: "400 digits",
        "steps: " + "[" * 50_000: "brackets",
        bomb: "aliases",
        "a: &a [*a]": "endless",
        "resolution: 1000000": "from 8 to 2048",
        "dtype: float16": "float32",
        "- " * 3000: "YAML",
    }
    for content, words in wrong.items():
        file.write_text(content)
        with limit(), pytest.raises(InputError, match=words) as refused:
            profiles.get(file)
        assert len(str(refused.value)) < 500


def test_proxy_names():
    draw = drawing("proxies")
    for _ in range(4 * COUNT):
        check(proxies.get, changed(draw.choice([*proxies.names(), "ranksum:naswot+synflow", "gennas-sin1d-H@1"]), draw))


@pytest.mark.parametrize(
    "source, words",
    [
        ("import sys; sys.exit(0)", "ends the program"),
        ("from naslib_gennas.proxies import proxy\n@proxy(5)\ndef f(network, inputs, seed): return 0.0", "is a text"),
        ("1 / 0", "line 1: ZeroDivisionError"),
        ("x = (", "line 1"),
        ("x = 1", "registers no proxy"),
        ("x = '\0'", "proxy file"),
    ],
)
def test_a_proxy_file_that_breaks_is_said_and_breaks_nothing_else(tmp_path, source, words):
    file = tmp_path / "mine.py"
    file.write_text(source)
    with pytest.raises(InputError, match=words):
        proxies.get(str(file))
    assert proxies.get("naswot").name == "naswot"
    assert all(isinstance(name, str) for name in proxies.names())
