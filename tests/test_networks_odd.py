"""Networks that do what few do: change their input or the process, run in one mode alone, hold parts of other kinds."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
import torch
from test_networks_scored import QUICK, one_line, plain
from test_networks_stages import ViT
from torch import nn

from naslib_gennas import score_network
from naslib_gennas.networks import sources
from naslib_gennas.scoring.network import describe_network


class InPlace(nn.Module):
    """Normalises its input in place."""

    def __init__(self, in_place):
        super().__init__()
        self.in_place, self.body = in_place, plain()

    def forward(self, x):
        return self.body(x.sub_(0.5).div_(0.25) if self.in_place else x.sub(0.5).div(0.25))


@pytest.mark.parametrize("proxy", ["gennas-combo", "gennas-plus", "naswot"])
def test_a_network_that_works_in_place_on_its_input_scores_as_one_that_does_not(proxy):
    batch = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = batch.clone()
    scores = {score_network(InPlace(way), proxy=proxy, inputs=batch, profile=QUICK).score for way in (True, False)}
    assert len(scores) == 1 and torch.equal(batch, before)


class Settings(nn.Module):
    """Changes what belongs to the whole process."""

    def __init__(self):
        super().__init__()
        self.body = plain()

    def forward(self, x):
        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(2)
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = True
        return self.body(x)


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    torch.set_default_dtype(torch.float32)
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = False


def test_settings_that_a_network_changes_are_put_back(one_thread):
    score_network(Settings(), profile=QUICK)
    assert torch.get_default_dtype() is torch.float32 and torch.get_num_threads() == 1
    assert not torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.benchmark


class OneMode(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = plain()

    def forward(self, x):
        if not self.training:
            raise RuntimeError("not made for evaluation")
        return self.body(x)


def test_a_network_that_runs_in_training_alone_is_told_so():
    said = one_line(lambda: describe_network(OneMode(), profile=QUICK), "runs in training mode alone")
    assert "not made for evaluation" in said


class TwoPaths(nn.Module):
    def __init__(self):
        super().__init__()
        self.trained, self.exported = plain(), nn.Conv2d(3, 8, 3)

    def forward(self, x):
        return self.trained(x) if self.training else self.exported(x)


def test_a_network_of_which_training_takes_another_path_is_told_its_parts():
    said = one_line(lambda: describe_network(TwoPaths(), profile=QUICK), "takes another path")
    assert said.endswith("these parts take the input as it is: trained, exported")
    assert score_network(TwoPaths().trained, profile=QUICK).status == "ok"


def test_a_part_in_torchscript_and_an_exported_program_are_refused():
    network = plain()
    network[2] = torch.jit.script(nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU()))
    one_line(lambda: score_network(network, profile=QUICK), "'2' is TorchScript")
    exported = torch.export.export(plain().eval(), (torch.randn(2, 3, 32, 32),))
    for program in (exported, exported.module()):
        one_line(lambda program=program: score_network(program, profile=QUICK), "give the module that it was made from")


class Causal(nn.Module):
    """The mask of its attention is a buffer with infinities."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 8)
        self.register_buffer("mask", torch.triu(torch.full((64, 64), -torch.inf), 1))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)

    def forward(self, x):
        return self.block(self.words(x), src_mask=self.mask[: x.shape[1], : x.shape[1]])


def test_a_mask_with_infinities_is_no_divergence_and_a_running_variance_is():
    assert score_network(Causal(), profile=QUICK).status == "ok"
    network = plain()
    network[1].running_var.fill_(torch.inf)
    assert score_network(network, profile=QUICK).status == "diverged"


class Frames(nn.Module):
    """Frames are folded into the batch layer by layer, and mixed in between: no part sees a frame alone."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)

    def forward(self, x):
        images, frames = x.shape[:2]
        y = self.first(x.flatten(0, 1)).unflatten(0, (images, frames))
        return self.second((y + y.roll(1, 1)).flatten(0, 1)).mean((2, 3)).view(images, frames, -1).mean(1)


def test_of_folded_frames_no_small_part_is_advised():
    said = one_line(
        lambda: score_network(Frames(), inputs=torch.randn(2, 4, 3, 16, 16), profile=QUICK), "folded into the batch"
    )
    assert "get_submodule" not in said


@pytest.mark.parametrize("side", [28, 84])
def test_a_network_for_the_sizes_of_digits_and_games_is_given_them(side):
    layers = [nn.Conv2d(1, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU()]
    with torch.no_grad():
        width = nn.Sequential(*layers)(torch.zeros(1, 1, side, side)).numel()
    assert describe_network(nn.Sequential(*layers, nn.Flatten(), nn.Linear(width, 5)), profile=QUICK).resolution == side


@pytest.mark.parametrize(
    "given, said",
    [
        (np.array(["a", "b"]), "an array of <U1; it takes numbers"),
        (np.array([{}, {}], dtype=object), "an array of object"),
        (torch.zeros(4, 3, 32, 32).to(torch.float8_e4m3fn), r"float8_e4m3fn; give them as inputs.float\(\)"),
        (torch.zeros(4, 3, 32, 32, dtype=torch.uint8), r"give images as inputs.float\(\)"),
        ((torch.zeros(4, 3, 32, 32), 5), "inputs hold a int"),
        ([[1, 2], [3, 4]], "inputs hold a list"),
        ({1: torch.zeros(4, 3, 32, 32)}, "keys that are no argument's name"),
        ({}, "inputs is an empty dict"),
    ],
)
def test_inputs_of_a_wrong_kind_are_told_in_a_line(given, said):
    one_line(lambda: score_network(plain(), inputs=given, profile=QUICK), said)


def test_a_path_is_a_file_of_inputs(tmp_path):
    path = pathlib.Path(tmp_path) / "batch.npy"
    np.save(path, np.random.default_rng(0).standard_normal((4, 3, 32, 32)).astype("float32"))
    scores = {score_network(plain(), inputs=form, profile=QUICK).score for form in (path, str(path))}
    assert len(scores) == 1
    one_line(lambda: score_network(plain(), inputs=tmp_path / "absent.npy", profile=QUICK), "cannot be read")


def test_names_of_stages_and_networks_that_are_nearly_right():
    one_line(lambda: score_network(plain(), ["0#x"], profile=QUICK), "no submodule '0#x'")
    one_line(lambda: score_network(plain(), ["0#2"], profile=QUICK), "is called once; there is no call 2")
    pytest.importorskip("transformers")
    assert "did you mean vit" in one_line(lambda: sources.load("hf:VitConfig"), "hf has no network")
    assert "no folder" in one_line(lambda: sources.load("hf:some/folder"), "hf:")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_meco_takes_half_precision(dtype):
    assert score_network(plain().to(dtype), proxy="meco", profile=QUICK).status == "ok"


class Pointwise(nn.Module):
    """Mixes channels by linear layers on maps whose channels are last, or by 1x1 convolutions: the same function."""

    def __init__(self, last):
        super().__init__()
        torch.manual_seed(0)
        self.last, self.stem, self.head = last, nn.Conv2d(3, 12, 3, 2, 1), nn.Linear(12, 10)
        mix = nn.Linear(12, 12, bias=False)
        point = nn.Conv2d(12, 12, 1, bias=False)
        point.weight = nn.Parameter(mix.weight[:, :, None, None].clone())
        self.body = nn.Sequential(mix if last else point, nn.GELU())

    def forward(self, x):
        x = self.stem(x)
        x = self.body(x.movedim(1, -1)).movedim(-1, 1) if self.last else self.body(x)
        return self.head(x.mean((2, 3)))


def test_meco_finds_the_channels_where_they_are_last():
    batch = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    scores = [score_network(Pointwise(last), proxy="meco", inputs=batch, profile=QUICK).score for last in (True, False)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)


@pytest.mark.parametrize("make", [Causal, lambda: ViT(3), lambda: nn.Sequential(nn.Conv1d(1, 8, 5, 2), nn.ReLU())])
def test_meco_refuses_tokens_and_sequences_and_its_advice_works(make):
    one_line(lambda: score_network(make(), proxy="meco", profile=QUICK), "gennas proxies take these")
    assert score_network(make(), proxy="gennas-combo", profile=QUICK).status == "ok"


@pytest.mark.parametrize("proxy", ["synflow", "jacob_cov", "linear_regions"])
def test_proxies_that_change_the_input_say_so_of_token_numbers(proxy):
    one_line(lambda: score_network(Causal(), proxy=proxy, profile=QUICK), "gennas proxies take them|class scores")
