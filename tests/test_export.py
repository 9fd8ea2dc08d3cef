"""Networks to train: as modules, and as files that others read; what they cost, and pictures of their cells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import CliRunner

import naslib_gennas
from naslib_gennas import InputError, spaces
from naslib_gennas.cli.app import app
from naslib_gennas.studies import drawing, export, published, source

ARCHS = {
    "nasbench201": "|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
    "nasbench101": '{"matrix": [[0, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]], '
    '"ops": ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]}',
    "nats-size": "8:16:8:24:16",
    "transnas-micro": "64-41414-3_02_131",
    "transnas-macro": "64-123142-basic",
    "nds-resnet": '{"block_type": "res_basic_block", "ds": [1, 1, 2, 1], "ws": [16, 16, 24, 32], "ss": [1, 1, 2, 2], '
    '"bot_muls": [], "num_gs": []}',
}
DARTS = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
CELL = '{"n": {"op": "linear", "input": ["x", "h_prev_0"]}, "h_new_0": {"op": "activation_tanh", "input": ["n"]}}'
ALONE = """
import importlib.util, sys, torch
for file in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("model", file)
    sys.modules["model"] = model = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)
    network = model.network().eval()
    network.load_state_dict(torch.load(file + ".weights"))
    torch.save(network(torch.load(file + ".inputs")), file + ".outputs")
assert not any(name.split(".")[0] == "naslib_gennas" for name in sys.modules)
"""


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_model_py_needs_torch_alone_and_gives_the_same_logits(empty_folder):
    """In a process that cannot import this package, with the same weights."""
    small = spaces.get("darts", cells=3, channels=4)
    images, words = torch.randn(3, 3, 16, 16), torch.randint(7, (5, 2))
    cases = [(name, name, ARCHS[name], images) for name in ("nasbench201", "nasbench101", "nds-resnet")]
    cases += [("darts", small, DARTS, images), ("nasbenchnlp", "nasbenchnlp", CELL, words)]
    expected = {}
    for name, space, arch, inputs in cases:
        export.export(space, arch, [f"{name}.py"], classes=7)
        model = naslib_gennas.network(space, arch, classes=7).eval()
        with torch.no_grad():
            expected[f"{name}.py"] = model(inputs)
        assert expected[f"{name}.py"].shape[-1] == 7
        torch.save(model.state_dict(), f"{name}.py.weights")
        torch.save(inputs, f"{name}.py.inputs")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([sys.executable, "-I", "-c", ALONE, *expected], env=environment, check=True, timeout=300)
    for file, logits in expected.items():
        assert torch.allclose(torch.load(f"{file}.outputs"), logits, atol=1e-5), file
    assert '("sep_conv_3x3", 0)' in (empty_folder / "darts.py").read_text(encoding="utf-8")


def test_every_space_is_written_as_source_and_drawn(tmp_path):
    """The source is built and compared by `export` itself: names and shapes of all weights."""
    for name in spaces.names():
        space, rng = spaces.get(name), np.random.default_rng(1)
        arch = space.sample(rng)
        while space.untrainable(arch) is not None:
            arch = space.sample(rng)
        model, inputs = space.published(arch, 5), published.example(space, 2, 32, 5)
        price = published.Cost(1, None, None)
        text = export.model_file.write(space, arch, model, inputs, price)
        assert "naslib_gennas" not in text.replace("naslib-gennas", "")
        picture = ElementTree.fromstring(drawing.draw(space, arch, model, [str(price)]))
        assert len(picture.findall("{*}rect")) > 3, name


MINE = """
from torch import nn

import blocks
from blocks import block as make

ACTIVATIONS = {}
ACTIVATIONS["relu"] = nn.ReLU


def mine(choose):
    width = choose.suggest_int("width", 4, 8)
    kernels = choose.suggest_categorical("kernels", [[3, 3], [3, 5]])
    activation = choose.suggest_categorical("activation", [ACTIVATIONS["relu"], nn.SiLU])
    body = [make(3 if not i else width, width, kernel, activation) for i, kernel in enumerate(kernels)]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)), ["0", "1"]


if __name__ == "__main__":
    print("nobody wants this")
"""
BLOCKS = """
from torch import nn

STRIDE = 2


def block(before, after, kernel, activation):
    return nn.Sequential(nn.Conv2d(before, after, kernel, STRIDE, kernel // 2), nn.BatchNorm2d(after), activation())
"""


def test_a_space_of_ones_own_is_written_with_its_function_and_its_choices(empty_folder):
    (empty_folder / "mine.py").write_text(MINE, encoding="utf-8")
    (empty_folder / "blocks.py").write_text(BLOCKS, encoding="utf-8")
    arch = '{"width": 6, "kernels": [3, 5], "activation": "SiLU"}'
    done = run("export", "mine.py:mine", arch, "--to", "model.py", "--to", "model.svg")
    assert done.exit_code == 0, done.output
    text = (empty_folder / "model.py").read_text(encoding="utf-8")
    assert "nobody wants this" not in text and '"kernels": [3, 5]' in text and "STRIDE = 2" in text
    model = naslib_gennas.network("mine.py:mine", arch).eval()
    inputs = torch.randn(2, 3, 16, 16)
    torch.save(model.state_dict(), "model.py.weights")
    torch.save(inputs, "model.py.inputs")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([sys.executable, "-I", "-c", ALONE, "model.py"], env=environment, check=True, timeout=300)
    assert torch.allclose(torch.load("model.py.outputs"), model(inputs), atol=1e-5)
    assert run("export", "mine.py:mine", arch, "--to", "seven.py", "--classes", 7).exit_code == 0
    described = export.describe(spaces.get("mine.py:mine"), spaces.get("mine.py:mine").parse(arch), empty_folder)
    assert described.command == f"gennas export mine.py:mine {empty_folder} --to model.py"
    assert "nn.Linear(6, classes, bias=True)" in (empty_folder / "seven.py").read_text(encoding="utf-8")
    shown = subprocess.run([sys.executable, "-I", "seven.py"], env=environment, capture_output=True, text=True)
    assert "output: (2, 7)" in shown.stdout, shown.stderr


def test_what_has_no_source_is_refused_in_a_line(empty_folder):
    (empty_folder / "mine.py").write_text(MINE.replace("make(3", "blocks.block(3"), encoding="utf-8")
    (empty_folder / "blocks.py").write_text(BLOCKS, encoding="utf-8")
    arch = '{"width": 6, "kernels": [3, 5], "activation": "SiLU"}'
    done = run("export", "mine.py:mine", arch, "--to", "model.py")
    assert done.exit_code == 2 and "uses 'blocks', a module of its own: import what it needs by name" in done.stderr
    assert not (empty_folder / "model.py").exists()


def test_onnx_and_pt2_agree_with_torch_at_any_batch_size(empty_folder):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    arch = ARCHS["nasbench201"]
    model = naslib_gennas.network("nasbench201", arch, classes=4, size="fast")
    torch.save(model.state_dict(), "trained.pt")
    export.export(
        "nasbench201", arch, ["net.onnx", "net.pt2"], classes=4, resolution=8, size="fast", weights="trained.pt"
    )
    inputs = torch.randn(5, 3, 8, 8)
    with torch.no_grad():
        expected = model.eval()(inputs)
    session = onnxruntime.InferenceSession("net.onnx")
    assert np.abs(session.run(None, {"images": inputs.numpy()})[0] - expected.numpy()).max() < 1e-4
    assert session.get_modelmeta().custom_metadata_map["architecture"] == arch
    assert torch.allclose(torch.export.load("net.pt2").module()(inputs), expected, atol=1e-5)


def test_the_genotype_is_what_darts_training_scripts_read(empty_folder):
    Genotype = namedtuple("Genotype", "normal normal_concat reduce reduce_concat")
    done = run("export", "darts", DARTS, "--to", "genotype")
    assert done.exit_code == 0, done.output
    read = eval(done.stdout, {"Genotype": Genotype})
    assert read.normal[0] == ("sep_conv_3x3", 0) and read.reduce_concat == [2, 3, 4, 5]
    assert spaces.get("darts").parse(done.stdout) == spaces.get("darts").parse(DARTS)
    assert "parameters" in done.stderr
    assert run("export", "nats-size", "8:8:8:8:8", "--to", "genotype").stdout == "8:8:8:8:8\n"


def test_a_run_folder_stands_for_what_the_search_found(empty_folder):
    (empty_folder / "run").mkdir()
    content = {"space": "nats-size", "best": {"arch": "8:8:16:8:8", "score": 1.0}}
    (empty_folder / "run" / "result.json").write_text(json.dumps(content), encoding="utf-8")
    done = run("export", "nats-size", "run", "--classes", 3, "--to", "a.svg", "--json", "out.json")
    assert done.exit_code == 0, done.output
    assert "Written to a.svg" in done.stdout
    assert json.loads((empty_folder / "out.json").read_text(encoding="utf-8"))["arch"] == "8:8:16:8:8"
    other = run("export", "nasbench201", "run", "--to", "b.svg")
    assert other.exit_code == 2 and "holds a search of nats-size, not of nasbench201" in other.stderr
    (empty_folder / "run" / "result.json").write_text("{", encoding="utf-8")
    assert "damaged" in run("export", "nats-size", "run", "--to", "b.svg").stderr
    (empty_folder / "run" / "result.json").unlink()
    assert "is not the folder of a search" in run("export", "nats-size", "run", "--to", "b.svg").stderr


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("nats-size", "8:8:8:8:8", "--classes", 0, "--to", "a.py"), "classes is 0"),
        (("nats-size", "8:8:8:8:8", "--resolution", 1, "--to", "a.py"), "resolution is 1"),
        (("nats-size", "8:8:8:8:7", "--to", "a.py"), "layer 5"),
        (("nasbench201", ARCHS["nasbench201"].replace("nor_conv_3x3~0", "conv~0"), "--to", "a.py"), "conv~0"),
        (("nasbench201", "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "--to", "a.py"), "cannot be trained"),
        (("nats-size", "8:8:8:8:8", "--to", "model.pth"), "'model.pth' is no known kind of file"),
        (("nats-size", "8:8:8:8:8", "--to", "nowhere/model.py"), "there is no folder"),
        (("nats-size", "8:8:8:8:8", "--to", "there.py"), "is there already"),
        (("nats-size", "8:8:8:8:8", "--to", "a.py", "--weights", "w.pt"), "has no weights"),
        (("nats-size", "8:8:8:8:8", "--to", "a.pt2", "--weights", "w.pt"), "cannot be read"),
        (("nats-size", "8:8:8:8:8", "--to", "a.pt2", "--weights", "there.py"), "are no state_dict"),
        (("nats-size", "8:8:8:8:8", "--to", "a.py", "--size", "huge"), "huge"),
    ],
)
def test_mistakes_are_one_line(arguments, says, empty_folder):
    (empty_folder / "there.py").write_text("mine", encoding="utf-8")
    done = run("export", *arguments)
    assert done.exit_code == 2, done.output
    assert says in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert (empty_folder / "there.py").read_text(encoding="utf-8") == "mine"
    assert [path.name for path in empty_folder.iterdir() if path.is_file()] == ["there.py"]


def test_weights_that_do_not_fit_are_refused(empty_folder):
    model = naslib_gennas.network("nats-size", "8:8:8:8:8", classes=3)
    torch.save(model.state_dict(), "w.pt")
    with pytest.raises(InputError, match="'network.classifier.weight' is \\(3, 8\\), not \\(4, 8\\)"):
        export.export("nats-size", "8:8:8:8:8", ["a.pt2"], classes=4, weights="w.pt")
    with pytest.raises(InputError, match="do not fit"):
        export.export("nasbench201", ARCHS["nasbench201"], ["a.pt2"], weights="w.pt")


def test_a_full_disk_leaves_no_half_file(empty_folder):
    """A limit on the size of files acts as a disk that is full."""
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); " + (
        "from naslib_gennas.cli import app; app(['export', 'nats-size', '8:8:8:8:8', '--to', 'model.py'])"
    )
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "'model.py' cannot be written: File too large" in done.stderr, done.stderr
    assert list(empty_folder.glob("*")) == []


def test_overwriting_must_be_asked_for(empty_folder):
    (empty_folder / "a.svg").write_text("mine", encoding="utf-8")
    assert run("export", "nats-size", "8:8:8:8:8", "--to", "a.svg", "--overwrite").exit_code == 0
    assert (empty_folder / "a.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_alone(empty_folder):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    for name in ("a", "b"):
        export.export("nats-size", "8:8:8:8:8", [f"{name}.pt2"], seed=3, resolution=8)
    assert torch.equal(torch.rand(1), expected)
    a, b = (torch.export.load(f"{name}.pt2").state_dict for name in "ab")
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("space", ["nasbench201", "transnas-micro"])
def test_a_network_at_the_size_of_a_profile_is_smaller_and_has_the_classes(space):
    whole = naslib_gennas.network(space, ARCHS[space], classes=3)
    small = naslib_gennas.network(space, ARCHS[space], classes=3, size="fast")
    assert small(torch.zeros(2, 3, 8, 8)).shape == (2, 3)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in whole.parameters())


def test_a_search_can_describe_what_it_found(tmp_path):
    space = spaces.get("nasbench201")
    found = export.describe(space, space.parse(ARCHS["nasbench201"]), tmp_path)
    assert found.cost.params == sum(
        p.numel() for p in naslib_gennas.network("nasbench201", ARCHS["nasbench201"]).parameters()
    )
    assert found.picture.read_text(encoding="utf-8").count("nor_conv_3x3") == 2
    assert f"gennas export nasbench201 {tmp_path} --to model.py" in found.lines()[-1]


def test_a_cell_is_drawn_with_what_it_computes():
    """`none`, and what leads nowhere, is left out; boxes of a row do not overlap."""
    space = spaces.get("nasbench201")
    arch = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")
    graph = drawing.graphs(space, arch, space.published(arch))[0]
    assert [text for text, _ in graph.boxes.values()] == ["input", "skip_connect", "output"]
    rows, paths = drawing._rows(
        drawing.graphs(spaces.get("darts"), spaces.get("darts").parse(DARTS), torch.nn.Module())[0]
    )
    width = {name: 50.0 for row in rows for name in row}
    across = drawing._across(rows, drawing._pairs(paths), width)
    for row in rows:
        assert all(across[b] - across[a] >= 50 for a, b in zip(row, row[1:]))


def test_values_are_written_as_source_that_gives_them_back():
    for value in [(1,), [], {"a": (1.5, None)}, ("it's", 'a "b"\n'), [[1] * 50] * 3, {"x": True}]:
        text = source.literal(value)
        assert eval(text) == value and max(map(len, text.splitlines())) <= source.WIDTH


def test_a_search_says_how_to_export_what_it_found_and_that_works(empty_folder):
    small = ("--evaluations", 2, "--population", 2, "--tournament", 1, "--no-control", "--finalists", 0, "--workers", 1)
    found = run("search", "nats-size", *small, "--truth", "none", "--proxy", "params", "--out", "run")
    assert found.exit_code == 0, found.output
    assert (empty_folder / "run" / "architecture.svg").is_file() and "Picture: run/architecture.svg" in found.stdout
    command = next(line for line in found.stdout.splitlines() if "gennas export" in line).partition("gennas ")[2]
    assert run(*command.split()).exit_code == 0
    assert (empty_folder / "model.py").is_file()


def test_a_space_made_of_a_lambda_is_spelled_by_its_own_name(tmp_path):
    space = spaces.get(str(Path(__file__).parents[1] / "examples" / "mobile.py") + ":mobile")
    found = export.describe(space, space.parse("00000000"), tmp_path)
    assert found.command.split()[2].endswith("mobile.py:mobile")
