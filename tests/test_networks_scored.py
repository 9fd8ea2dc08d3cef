"""Networks of the user's own, of all kinds: scored on what they compute, or refused in a line whose advice works."""

from __future__ import annotations

import concurrent.futures
import copy
import json
import math
import multiprocessing
import os
import time
import warnings

import numpy as np
import pytest
import torch
from test_networks_stages import Recurrent, Shared, UNet, ViT
from torch import nn
from torch.utils.checkpoint import checkpoint

import naslib_gennas
from naslib_gennas import score_network
from naslib_gennas.errors import InputError
from naslib_gennas.networks import sources
from naslib_gennas.networks.initialise import WAYS
from naslib_gennas.proxies import names
from naslib_gennas.regression.profiles import PAPER
from naslib_gennas.scoring.network import describe_network
from naslib_gennas.scoring.network_ranking import rank_networks

QUICK = {"images": 4, "steps": 5, "target_size": 4}
SMALL = PAPER.replace(name="small", images=4, resolution=16, steps=5, target_size=4)


def plain(act=nn.ReLU, channels=3, norm=nn.BatchNorm2d):
    torch.manual_seed(0)
    layers = []
    for before, width, stride in ((channels, 8, 1), (8, 12, 2), (12, 16, 2)):
        layers += [nn.Conv2d(before, width, 3, stride, 1), norm(width), act()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def one_line(call, match=""):
    with pytest.raises(InputError, match=match) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def ok(result):
    assert result.status == "ok" and math.isfinite(result.score), result
    return result


# ------------------------------------------------------------------------------------------------------- what is scored


def test_every_call_of_a_shared_module_counts():
    torch.manual_seed(0)
    network = Shared()
    before = ok(score_network(network, profile=SMALL)).score
    with torch.no_grad():
        network.convolutions[2].weight.normal_()
    assert score_network(network, profile=SMALL).score != before


def test_depth_matters():
    def score(network):
        return ok(score_network(network, profile=QUICK)).score

    torch.manual_seed(0)
    assert len({score(ViT(depth)) for depth in (1, 2, 6)}) == 3
    assert score(UNet(0)) != score(UNet(3))


def test_all_of_the_backbone_is_reached_and_the_head_is_named():
    told = describe_network(plain(), profile=QUICK)
    assert told.reached == 1.0 and told.head == ("11",) and 0 < told.head_share < 0.1
    assert told.flops > 0 and told.seconds > 0 and told.parameters == sum(p.numel() for p in plain().parameters())
    assert "stage 3: 8: 16x8x8" in str(told)


class Frozen(nn.Module):
    """Most of it works without gradients."""

    def __init__(self, how):
        super().__init__()
        self.how, self.first = how, nn.Conv2d(3, 8, 3, 1, 1)
        self.body = nn.Sequential(nn.Conv2d(8, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 8, 3, 1, 1))
        self.last = nn.Conv2d(8, 16, 3, 2, 1)

    def forward(self, x):
        if self.how == "no_grad":
            with torch.no_grad():
                return self.last(self.body(self.first(x)))
        return self.last(checkpoint(self.body, x.new_zeros(len(x), 8, *x.shape[2:]), use_reentrant=True))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["no_grad", "checkpoint"])
def test_a_network_of_which_little_is_trained_is_refused(how):
    message = one_line(lambda: score_network(Frozen(how), profile=SMALL), "of the backbone's parameters")
    assert "body.0" in message


def test_a_part_that_is_not_reached_is_a_warning():
    class Partly(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 40, 3, 2, 1)
            self.c = nn.Conv2d(8, 8, 3, 1, 1)

        def forward(self, x):
            x = self.a(x)
            with torch.no_grad():
                y = self.c(x)
            return self.b(x + y)

    with pytest.warns(RuntimeWarning, match="reach"):
        result = ok(score_network(Partly(), profile=SMALL, proxy="gennas-combo"))
    assert 0.5 < result.reached < 0.9 and any("c gets no gradient" in note for note in result.notes)


class Stride32(nn.Module):
    def __init__(self, last=1):
        super().__init__()
        torch.manual_seed(0)
        widths = (3, 4, 6, 8, 10, 12)
        self.stages = nn.ModuleList()
        for before, width in zip(widths, widths[1:]):
            further = [nn.Conv2d(width, width, 3, 1, 1) for _ in range(last if width == 12 else 0)]
            self.stages.append(
                nn.Sequential(nn.Conv2d(before, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU(), *further)
            )

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return x.mean((2, 3))


def test_images_are_large_enough_for_the_last_stage():
    result = ok(score_network(Stride32(), profile=QUICK))
    assert [stage.size for stage in result.stages] == [(8, 8), (4, 4), (2, 2)]
    assert any("64x64" in note for note in result.notes)
    assert result.score != score_network(Stride32(3), profile=QUICK).score
    one_line(lambda: score_network(Stride32(), profile=QUICK, resolution=32), "maps of one pixel.*larger resolution")
    assert score_network(Stride32(), profile=QUICK, resolution=96).stages[-1].size == (3, 3)


def tied(side):
    return nn.Sequential(nn.Conv2d(3, 4, 3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * (side // 4) ** 2, 10))


def test_a_network_of_one_resolution_is_scored_at_it():
    result = ok(score_network(tied(96), profile=QUICK))
    assert result.stages[-1].size == (24, 24) and "cannot take 4x3x32x32" in result.notes[0]
    message = one_line(lambda: score_network(tied(96), profile=QUICK, resolution=64), "cannot take 4x3x64x64")
    assert "leave resolution out" in message


# ---------------------------------------------------------------------------------------------- training and evaluation


class LayerDrop(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.down = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 16, 3, 2, 1)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU()) for _ in range(4))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            if not self.training or torch.rand(()) > 0.6:
                x = x + block(x)
        return self.down(x)


@pytest.mark.parametrize("seed", range(3))
def test_blocks_that_a_step_skips_are_trained_by_others(seed, monkeypatch):
    from naslib_gennas.scoring import network as home

    seen = []
    before = home.measure
    monkeypatch.setattr(
        home, "measure", lambda proxy, network, *rest: seen.append(network) or before(proxy, network, *rest)
    )
    original = LayerDrop()
    ok(score_network(original, profile={**QUICK, "steps": 30}, seed=seed))
    trained = seen[-1].module
    for block, old in zip(trained.blocks, original.blocks):
        assert not torch.equal(block[0].weight, old[0].weight)


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, 1, 1), nn.Sequential(nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16))

    def forward(self, x, targets=None):
        assert not self.training or targets is not None, "targets should not be none in training"
        return {"boxes": self.b(self.a(x))}


class Auxiliary(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 16, 3, 2, 1)
        self.head, self.auxiliary = nn.Linear(16, 4), nn.Linear(8, 4)

    def forward(self, x):
        a = self.a(x)
        y = self.head(self.b(a).mean((2, 3)))
        return (y, self.auxiliary(a.mean((2, 3)))) if self.training else y


def test_what_differs_in_training_is_said():
    result = ok(score_network(Detector(), profile=SMALL, proxy="gennas-combo"))
    assert result.reached == 1.0 and any("evaluation mode" in note for note in result.notes)
    assert any(
        "auxiliary" in note for note in ok(score_network(Auxiliary(), profile=SMALL, proxy="gennas-combo")).notes
    )
    ok(score_network(Auxiliary(), proxy="snip", profile=SMALL))
    one_line(lambda: score_network(Detector(), proxy="snip", profile=SMALL), "needs class scores")


# ----------------------------------------------------------------------------------------------- layout, dtype, outputs


class View(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 8, 3, 2, 1), nn.Linear(8 * 64, 10)

    def forward(self, x):
        x = torch.relu(self.a(x))
        grouped = x.view(len(x), 2, -1)
        x = torch.relu(self.b((grouped - grouped.mean(2, True)).view(x.shape)))
        return self.head(x.view(len(x), -1))


@pytest.mark.parametrize("proxy", ["gennas-combo", "gennas-plus", "naswot", "synflow", "jacob_cov", "snip"])
def test_the_layout_is_the_networks_own(proxy):
    ok(score_network(View(), proxy=proxy, profile=SMALL))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_the_precision_is_the_networks_own(dtype):
    result = score_network(plain().to(dtype), profile=SMALL)
    assert result.status in ("ok", "diverged") and result.score != score_network(plain(), profile=SMALL).score


@pytest.mark.parametrize(
    "proxy",
    ["gennas-combo", "gennas-plus", "meco", "zen", "zico", "synflow", "flops", "fisher", "swap", "epe_nas", "nasi"],
)
def test_a_norm_after_global_pooling_is_scored(proxy):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 8, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    ok(score_network(network, proxy=proxy, profile=SMALL))


class Several(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair, self.last = Pair(), nn.Conv2d(8, 16, 3, 2, 1)

    def forward(self, x):
        y, _ = self.pair(x)
        return {"out": self.last(y), "auxiliary": y}


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)

    def forward(self, x):
        y = torch.relu(self.conv(x))
        return y, y.mean()


def test_outputs_of_any_structure():
    assert [str(stage) for stage in score_network(Several(), profile=SMALL).stages] == [
        "pair[0]: 8x8x8",
        "last: 16x4x4",
    ]
    ok(score_network(Several(), proxy="naswot", profile=SMALL))
    one_line(lambda: score_network(Several(), ["pair", "last"], profile=SMALL), "'pair' gives a tuple.*'pair.conv'")
    one_line(lambda: score_network(Several(), proxy="synflow", profile=SMALL), "needs class scores")


# --------------------------------------------------------------------------------------------------------- measurements


@pytest.mark.parametrize("act", [nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.PReLU, nn.ELU, nn.Tanh, nn.Softplus])
def test_units_are_counted_for_every_activation(act):
    relu = score_network(plain(), proxy="gennas-plus", profile=SMALL)
    other = ok(score_network(plain(act), proxy="gennas-plus", profile=SMALL))
    assert other.details["units"] == relu.details["units"]
    assert abs(other.score - relu.score) < 1
    ok(score_network(plain(act), proxy="naswot", profile=SMALL))


def test_what_cannot_be_measured_has_no_score():
    linear = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 8, 3, 2, 1))
    result = score_network(linear, proxy="gennas-plus", profile=SMALL)
    assert result.status == "failed" and result.score == -math.inf and "no elementwise activation" in result.reason


@pytest.mark.parametrize("proxy", sorted({"gennas-combo", "naswot", "meco", "zico", "zen", "params"} & set(names())))
@pytest.mark.parametrize("how", ["weight", "forward"])
def test_numbers_that_are_not_finite_rank_last(proxy, how):
    network = plain(norm=lambda width: nn.Identity())
    if how == "weight":
        with torch.no_grad():
            network[3].weight[0, 0, 0, 0] = math.nan
    else:
        network[2] = Logarithm()
    result = score_network(network, proxy=proxy, profile=SMALL)
    assert (result.score, result.status) == (-math.inf, "diverged") and "not finite" in result.reason


class Logarithm(nn.Module):
    def forward(self, x):
        return torch.log(x - x.mean())


# ------------------------------------------------------------------------------------------------------------ any input


def test_inputs_of_every_form(tmp_path):
    grey = plain(channels=1)
    assert "1x32x32" in ok(score_network(grey, profile=QUICK)).inputs
    batch = torch.randn(4, 1, 20, 28, generator=torch.Generator().manual_seed(0))
    np.save(tmp_path / "mri.npy", batch.numpy())
    scores = {
        ok(score_network(grey, inputs=inputs, profile=QUICK)).score
        for inputs in (batch, batch.numpy(), lambda: batch, str(tmp_path / "mri.npy"))
    }
    assert len(scores) == 1
    assert score_network(grey, inputs=(1, 20, 28), profile=QUICK).stages[0].size == (20, 28)
    assert score_network(plain(channels=5), inputs=(5, 20, 28), profile=QUICK).stages[0].size == (20, 28)
    message = one_line(lambda: score_network(grey, inputs=torch.randn(4, 3, 20, 28), profile=QUICK), "cannot take")
    assert "4x3x20x28" in message


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.table, self.last = nn.Conv2d(3, 8, 3, 1, 1), nn.Linear(5, 8), nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, image, table):
        return self.last(torch.relu(self.image(image) + self.table(table)[:, :, None, None]))


@pytest.mark.parametrize("proxy", ["gennas-combo", "gennas-search-N"])
def test_several_tensors(proxy):
    torch.manual_seed(0)
    network, image, table = TwoInputs(), torch.randn(4, 3, 16, 16), torch.randn(4, 5)
    one_line(lambda: score_network(network, profile=QUICK), "missing 1 required.*tuple or dict")
    pair = ok(score_network(network, inputs=(image, table), proxy=proxy, profile=SMALL))
    named = ok(score_network(network, inputs={"table": table, "image": image}, proxy=proxy, profile=SMALL))
    assert named.stages == pair.stages


class Text(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.words, self.places = nn.Embedding(50, 16), nn.Embedding(24, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(16, 50)

    def forward(self, tokens):
        x = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
        return self.head(self.encoder(x, mask=mask, is_causal=True))


def test_text_sequences_series_and_volumes():
    torch.manual_seed(0)
    text = ok(score_network(Text(3), profile=QUICK, proxy="gennas-search-N"))
    assert [stage.size for stage in text.stages] == [(24,)] * 3 and text.reached == 1.0
    assert ok(score_network(Text(3), inputs=torch.randint(50, (4, 10)), profile=QUICK)).stages[0].size == (10,)
    assert str(ok(score_network(Recurrent(), profile=QUICK)).stages[0]) == "lstm[0]: 7x32"
    series = nn.Sequential(nn.Conv1d(2, 4, 5, 1, 2), nn.ReLU(), nn.Conv1d(4, 6, 5, 4, 2), nn.ReLU())
    assert ok(score_network(series, inputs=(2, 64), profile=QUICK)).stages[1].size == (16,)
    volume = nn.Sequential(nn.Conv3d(1, 4, 3, 1, 1), nn.ReLU(), nn.Conv3d(4, 6, 3, 2, 1), nn.ReLU())
    assert ok(score_network(volume, inputs=(1, 6, 8, 10), profile=QUICK)).stages[1].size == (3, 4, 5)


# -------------------------------------------------------------------------------------------- the same score everywhere


def test_threads_settings_and_two_at_once_change_nothing():
    network = plain()
    first = score_network(network, profile=SMALL).score
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            assert score_network(network, profile=SMALL).score == first
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            assert score_network(network, profile=SMALL).score == first
    finally:
        torch.set_default_dtype(torch.float32)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        scores = list(
            pool.map(lambda n: score_network(n, profile=SMALL).score, [copy.deepcopy(network) for _ in range(2)])
        )
    assert scores == [first, first]


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore")
def test_a_forked_process_scores_too():
    network = plain()
    score_network(network, profile=SMALL)
    child = os.fork()
    if not child:
        try:
            score_network(network, profile=SMALL)
            os._exit(0)
        except BaseException:
            os._exit(1)
    end = time.monotonic() + 60
    done, status = os.waitpid(child, os.WNOHANG)
    while not done and time.monotonic() < end:
        time.sleep(0.05)
        done, status = os.waitpid(child, os.WNOHANG)
    if not done:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert done and os.waitstatus_to_exitcode(status) == 0


# ---------------------------------------------------------------------------------------------------- refused in a line


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3, dtype=torch.cfloat))

    def forward(self, x):
        return x


def quantised():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(8, 8)), {nn.Linear})


def traced():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(plain().eval(), torch.randn(2, 3, 16, 16))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (traced, "TorchScript"),
        (lambda: nn.Sequential(nn.LazyConv2d(8, 3)), "lazy"),
        (lambda: plain().to("meta"), "meta device"),
        (quantised, "quantised"),
        (Complex, "complex"),
        (lambda: Complex, "is a class; give an instance"),
        (lambda: nn.functional.relu, "is a function of input"),
        (lambda: lambda: 3, "gives a int"),
        (lambda: torch.zeros(3), "it takes a torch module"),
        (lambda: nn.Sequential(nn.AvgPool2d(2)), "no parameters"),
        (lambda: "timm:no_such_net", "timm"),
        (lambda: "nowhere", "unknown network"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_no_network_is_refused(make, message):
    one_line(lambda: score_network(make(), profile=SMALL), message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "gpu"}, "device 'gpu'"),
        ({"device": "cuda:99"}, "device 'cuda:99'"),
        ({"seed": None}, "seed is None"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is"),
        ({"count": 2.5}, "count is 2.5"),
        ({"count": True}, "count is True"),
        ({"resolution": 0}, "resolution is 0"),
        ({"proxy": None}, "proxy is None"),
        ({"initialise": "he"}, "initialise is 'he'"),
        ({"inputs": 3}, "inputs is a int"),
        ({"inputs": torch.zeros(1, 3, 8, 8)}, "2 examples or more"),
        ({"inputs": (3, 4, 5, 6, 7)}, "a shape is"),
        ({"inputs": torch.zeros(4, 3, 0, 0)}, "they hold no number"),
        ({"inputs": torch.full((2, 3, 8, 8), math.nan)}, "not finite"),
        ({"inputs": lambda: 1 / 0}, "failed: division by zero"),
        ({"inputs": "none.npy"}, "'none.npy' cannot be read"),
        ({"inputs": torch.zeros(4, 3, 8, 8), "resolution": 16}, "resolution goes with"),
        ({"profile": {"dtype": "float16"}}, "dtype"),
    ],
)
def test_mistakes_in_arguments_are_one_line(arguments, message):
    one_line(lambda: score_network(plain(), **{"profile": SMALL, **arguments}), message)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.SyncBatchNorm.convert_sync_batchnorm(plain()),
        lambda: nn.DataParallel(plain()),
        lambda: torch.fx.symbolic_trace(plain()),
        lambda: plain().requires_grad_(False),
        plain,
    ],
)
def test_wrappers_change_nothing(make):
    assert score_network(make(), profile=SMALL).score == score_network(plain(), profile=SMALL).score


@pytest.mark.filterwarnings("ignore")
def test_computed_weights_are_scored():
    old = plain()
    old[0] = nn.utils.weight_norm(old[0])
    ok(score_network(old, profile=SMALL))
    new = plain()
    new[0], new[3] = nn.utils.parametrizations.weight_norm(new[0]), nn.utils.parametrizations.spectral_norm(new[3])
    ok(score_network(new, profile=SMALL))


# ----------------------------------------------------------------------------------------------------- several networks


def test_weights_are_drawn_as_asked():
    torch.manual_seed(0)
    scores = {way: score_network(plain(), profile=SMALL, proxy="gennas-combo", initialise=way).score for way in WAYS}
    assert len(set(scores.values())) == len(WAYS)
    torch.manual_seed(7)
    other = nn.Sequential(*plain())
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    assert score_network(other, profile=SMALL, proxy="gennas-combo", initialise="kaiming").score == pytest.approx(
        scores["kaiming"]
    )


def test_networks_from_files_in_one_table(empty_folder):
    (empty_folder / "parts.py").write_text("WIDTH = 6\n")
    (empty_folder / "mine.py").write_text(
        "from torch import nn\nfrom parts import WIDTH\n"
        "def small(width=WIDTH):\n    first = nn.Conv2d(3, width, 3, 2, 1)\n"
        "    return nn.Sequential(first, nn.ReLU(), nn.Conv2d(width, 8, 3, 2, 1), nn.ReLU())\n"
        "def broken():\n    return 1 / 0\n"
        "def number():\n    return 3\n"
    )
    rows = rank_networks(["mine.py:small", plain()], 2, profile=QUICK)
    assert [len(row.scores) for row in rows] == [2, 2] and {len(row.stages) for row in rows} == {2}
    assert rows[0].score >= rows[1].score and all(row.interval[0] <= row.score <= row.interval[1] for row in rows)
    assert all(row.flops > 0 and row.parameters > 0 and row.reached == 1.0 for row in rows)
    one_line(lambda: sources.load("mine.py:broken"), "ZeroDivisionError")
    one_line(lambda: sources.load("mine.py:number"), "gives a int")
    one_line(lambda: sources.load("mine.py:smal"), "it has small")
    one_line(lambda: sources.load("absent.py:make"), "cannot be read")


def test_a_refused_network_does_not_stop_the_others(empty_folder):
    from commands import CliRunner

    from naslib_gennas.cli.app import app

    (empty_folder / "mine.py").write_text(
        "from torch import nn\n"
        "def maps():\n    return nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1))\n"
        "def plain():\n    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 8))\n"
        "def linear():\n    return nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 8, 3, 2, 1))\n"
    )
    rows = rank_networks(["mine.py:plain", "mine.py:maps"], profile=QUICK)
    assert [(row.network, row.status) for row in rows] == [("mine.py:maps", "ok"), ("mine.py:plain", "refused")]
    assert "feature map" in rows[1].reason and rows[1].score == -math.inf and rows[0].score > -math.inf
    one_line(lambda: rank_networks(["mine.py:plain"], profile=QUICK), "mine.py:plain: no part of the network gives")
    one_line(lambda: rank_networks(["mine.py:maps", "mine.py:mops"], profile=QUICK), "mine.py:mops: ")
    run = CliRunner().invoke
    some = run(app, ["score", "mine.py:plain", "mine.py:maps", "--json", "-"])
    assert some.exit_code == 0 and json.loads(some.stdout)["networks"][1]["status"] == "refused"
    assert "mine.py:plain: refused: no part" in some.stderr
    told = run(app, ["score", "mine.py:plain", "mine.py:maps", "--dry-run", "--json", "-"])
    assert told.exit_code == 0 and json.loads(told.stdout)["networks"]["mine.py:plain"]["status"] == "refused"
    none = run(app, ["score", "mine.py:plain", "mine.py:linear"])
    assert none.exit_code == 1 and "nothing could be scored" in none.stderr


def test_the_package_describes_networks():
    assert naslib_gennas.describe_network is describe_network


def test_the_command_scores_and_describes_networks(empty_folder):
    from commands import CliRunner

    from naslib_gennas.cli.app import app

    (empty_folder / "quick.yaml").write_text("steps: 3\nimages: 4\n")
    (empty_folder / "mine.py").write_text(
        "from torch import nn\n"
        "def make():\n    return nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1))\n"
    )
    run = CliRunner().invoke
    told = run(app, ["score", "mine.py:make", "--dry-run", "--json", "-"])
    assert told.exit_code == 0 and json.loads(told.stdout)["networks"]["mine.py:make"]["reached"] == 1.0
    scored = run(app, ["score", "mine.py:make", "mine.py:make", "--seeds", "2", "--profile", "quick.yaml"])
    assert scored.exit_code == 0 and scored.stdout.count("mine.py:make") == 4 and "95% of 2 seeds" in scored.stdout
    wrong = run(app, ["score", "mine.py:mak"])
    assert wrong.exit_code == 2 and "it has make" in wrong.output and "Traceback" not in wrong.output


class GivesParameter(nn.Module):
    """A module that is called with a parameter, as pooling-based vision transformers do with their positions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 16, 3, 2, 1)
        self.place = nn.Parameter(torch.zeros(1, 8, 1, 1))
        self.drop = nn.Dropout(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.norm(self.first(x) + self.drop(self.place))))


def test_a_module_that_is_given_a_parameter_is_scored() -> None:
    assert naslib_gennas.describe_network(GivesParameter()).flops > 0
    found = naslib_gennas.score_network(GivesParameter(), profile={"steps": 2, "images": 2})
    assert found.status == "ok" and found.reached == 1.0


def test_frames_that_are_folded_into_the_batch_are_refused_with_the_part_that_sees_one():
    class Video(nn.Module):
        def __init__(self):
            super().__init__()
            self.frames = plain()

        def forward(self, x):
            return self.frames(x.flatten(0, 1)).unflatten(0, x.shape[:2]).mean(1)

    said = one_line(lambda: score_network(Video(), inputs=torch.randn(2, 4, 3, 16, 16), profile=QUICK), "folded")
    assert "get_submodule('frames')" in said
    ok(score_network(Video().get_submodule("frames"), profile=QUICK))


@pytest.mark.parametrize("given", [torch.zeros(4, 3, 32, 32), {"image": torch.zeros(1)}, (3, 32, 32)])
def test_an_input_batch_in_the_place_of_stages_is_told_where_it_goes(given):
    with pytest.raises(InputError, match="goes by name: inputs=") as refused:
        score_network(plain(), given)
    assert len(str(refused.value)) < 200  # not the numbers of a tensor


class SkippedAtRandom(nn.Module):
    """Residual blocks of which a training pass computes half; the sums between them have no name of their own."""

    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU()) for _ in range(8))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            if not self.training or torch.rand(()) >= self.rate:
                x = x + block(x)
        return x.mean((2, 3))


def test_blocks_that_are_skipped_at_random_are_told_with_advice_that_works():
    with pytest.warns(RuntimeWarning, match="skipped in training at times: score it with a rate of skipping of 0"):
        assert score_network(SkippedAtRandom(0.5), profile=QUICK).reached < 0.9
    assert score_network(SkippedAtRandom(0.0), profile=QUICK).reached == 1.0
    with pytest.raises(InputError, match="skipped in training at times: score it with a rate of skipping of 0"):
        score_network(SkippedAtRandom(0.9), profile=QUICK)


@pytest.mark.parametrize("proxy", ["gennas-plus", "gennas-combo"])
def test_the_cost_that_is_told_counts_the_steps_that_a_score_takes(proxy):
    steps = []

    class Counted(nn.Sequential):
        def forward(self, x):
            if self.training and torch.is_grad_enabled():
                steps.append(len(x))
            return super().forward(x)

    network = Counted(*plain())
    told = describe_network(network, proxy=proxy).seconds
    a_quarter = describe_network(network, proxy=proxy, profile={"steps": 6, "record_every": 6}).seconds
    assert told > 2 * a_quarter > 0
    steps.clear()
    score_network(network, proxy=proxy)
    taken = steps.count(max(steps))  # the looks before take a few images of the batch
    expected = {"gennas-plus": 24, "gennas-combo": 100}[proxy]
    assert taken == pytest.approx(expected, abs=3)


def test_a_proxy_that_does_not_train_has_no_estimate():
    assert describe_network(plain(), proxy="naswot").seconds is None


def strides(*each, size=None):
    """Convolutions with these strides and a classifier: for images of any size, or of one."""
    widths = [3, *(8 * 2**index for index in range(len(each)))]
    layers = []
    for before, width, stride in zip(widths, widths[1:], each):
        layers += [nn.Conv2d(before, width, 3, stride, 1), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, *([] if size else [nn.AdaptiveAvgPool2d(1)]), nn.Flatten(), nn.Linear(widths[-1], 10))


@pytest.mark.parametrize("each, side", [((2, 2, 2), 32), ((2, 4, 4), 64), ((4, 4, 4), 96)])
def test_images_are_as_large_as_long_strides_want_them(each, side):
    told = describe_network(strides(*each))
    assert told.resolution == side and len(told.stages) == 3 and told.reached == 1.0
    assert told.head_share < 0.1


def test_layers_on_one_pixel_of_a_network_that_takes_no_larger_images_are_told():
    told = describe_network(strides(2, 4, 4, size=32))
    assert len(told.stages) == 2
    (note,) = (note for note in told.notes if "one pixel" in note)
    assert note == "73% of all parameters work on maps of one pixel and are not scored: 6, 7"
    assert not [note for note in describe_network(strides(2, 2, 2)).notes if "one pixel" in note]


class Taught(nn.Module):
    """A network and its teacher, which runs without gradients, as in self-distillation."""

    def __init__(self):
        super().__init__()
        self.teacher, self.student = plain(), plain()

    def forward(self, x):
        with torch.no_grad():
            goal = self.teacher(x)
        return self.student(x), goal


def test_of_a_network_and_its_teacher_the_network_is_scored():
    with pytest.warns(RuntimeWarning, match="teacher gets no gradient"):
        result = score_network(Taught(), profile=QUICK)
    assert [str(stage).split(":")[0] for stage in result.stages] == ["student.2", "student.5", "student.8"]


class Gradientless(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = plain()

    @torch.no_grad()
    def forward(self, x):
        return self.layers(x)


def test_a_network_that_runs_without_gradients_is_refused():
    with pytest.raises(InputError, match="reach 0% of the backbone"):
        score_network(Gradientless(), profile=QUICK)


@pytest.mark.parametrize(
    "given, said",
    [
        ({"inputs": (3, 100_000, 100_000)}, "would not fit into memory"),
        ({"inputs": torch.ones(4, 3, 32, 32).to_sparse()}, "a sparse tensor; give a dense one"),
        ({"inputs": torch.ones(4, 3, 32, 32, device="meta")}, "a meta tensor; give a dense one"),
        ({"inputs": torch.utils.data.DataLoader([torch.ones(3, 32, 32)])}, r"next\(iter\(loader\)\)\[0\]"),
        ({"profile": 3}, "profile is 3; it takes a name"),
    ],
)
def test_what_cannot_be_an_input_or_a_profile_is_told_in_a_line(given, said):
    with pytest.raises(InputError, match=said):
        score_network(plain(), **given)
