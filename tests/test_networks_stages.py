"""Where the stages of a network end: blocks, calls, layouts, tokens, decoders, sequences and volumes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from naslib_gennas.networks import calls, stages
from naslib_gennas.networks.tapped import TappedNetwork, tap_of

IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def found(network, inputs=IMAGES, count=3):
    read = calls.read(network.eval(), inputs)
    assert read.error is None
    taps = [tap_of(value, read) for value in stages.find(read, count).ends]
    maps = TappedNetwork(network, taps)(inputs)
    assert [tuple(m.shape) for m in maps] == [(3, tap.channels, *tap.size) for tap in taps]
    return [str(tap) for tap in taps]


class InvertedResidual(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        wide = 4 * before
        self.expand = nn.Sequential(nn.Conv2d(before, wide, 1), nn.BatchNorm2d(wide), nn.ReLU6())
        self.depthwise = nn.Sequential(
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide), nn.BatchNorm2d(wide), nn.ReLU6()
        )
        self.project = nn.Sequential(nn.Conv2d(wide, after, 1), nn.BatchNorm2d(after))
        self.residual = stride == 1 and before == after

    def forward(self, x):
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


def test_a_stage_of_an_inverted_residual_network_ends_before_the_next_block_begins():
    blocks = nn.Sequential(*(InvertedResidual(*b) for b in ((8, 8, 1), (8, 12, 2), (12, 12, 1), (12, 16, 2))))
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    assert found(network) == ["1.0: 8x32x32", "1.2: 12x16x16", "1: 16x8x8"]


def test_a_downsampling_layer_with_a_norm_before_it_belongs_to_the_next_stage():
    def stage(before, width):
        down = nn.Sequential(nn.BatchNorm2d(before), nn.Conv2d(before, width, 2, 2))
        return nn.Sequential(down, nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.GELU()))

    assert found(nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), stage(8, 12), stage(12, 16))) == [
        "0: 8x32x32",
        "1: 12x16x16",
        "2: 16x8x8",
    ]


class Shared(nn.Module):
    """One activation and one pooling for all convolutions."""

    def __init__(self):
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in ((3, 4), (4, 6), (6, 8)))
        self.act, self.pool = nn.ReLU(), nn.MaxPool2d(2)

    def forward(self, x):
        for convolution in self.convolutions:
            x = self.pool(self.act(convolution(x)))
        return x


def test_a_tap_names_the_call_of_a_module_that_is_called_several_times():
    assert found(Shared()) == ["act#2: 6x16x16", "act#3: 8x8x8", "pool#3: 8x4x4"]


class Functional(nn.Module):
    """Parameters of its own and functions, no modules."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList(torch.randn(b, a, 3, 3) / 5 for a, b in ((3, 4), (4, 6), (6, 8)))

    def forward(self, x):
        for weight in self.weights:
            x = torch.relu(nn.functional.conv2d(x, weight, stride=2, padding=1))
        return x.mean((2, 3))


def test_values_without_a_module_are_stages_by_the_function_that_makes_them():
    assert found(Functional()) == [
        "the network/relu#1: 4x16x16",
        "the network/relu#2: 6x8x8",
        "the network/relu#3: 8x4x4",
    ]


class Residual(nn.Module):
    """The network adds its blocks to the shortcut itself, as an integrator does: no module's output is the sum."""

    def __init__(self, blocks):
        super().__init__()
        self.stem, self.blocks = layer(3, 4), nn.ModuleList(layer(4, 4) for _ in range(blocks))

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = x + 0.5 * block(x)
        return x.mean((2, 3))


def layer(before, width):
    return nn.Sequential(nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())


def test_a_stage_ends_with_the_sum_of_a_block_and_its_shortcut_where_the_network_adds_them():
    assert found(Residual(6)) == [f"the network/add#{number}: 4x32x32" for number in (2, 4, 6)]
    assert found(Residual(1)) == ["the network/add#1: 4x32x32"]


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x):
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(x)


class ViT(nn.Module):
    def __init__(self, depth, extra=1, width=16):
        super().__init__()
        self.embed = nn.Conv2d(3, width, 8, 8)
        self.extra = nn.Parameter(torch.zeros(1, extra, width))
        self.blocks = nn.Sequential(*(Attention(width) for _ in range(depth)))
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = self.blocks(torch.cat([self.extra.expand(len(x), -1, -1), x], 1))
        return self.head(x[:, 0])


@pytest.mark.parametrize("extra", [0, 1, 2, 5])
def test_tokens_are_maps_after_a_third_two_thirds_and_all_of_the_blocks(extra):
    assert found(ViT(6, extra)) == ["blocks.1: 16x4x4", "blocks.3: 16x4x4", "blocks: 16x4x4"]
    assert len(found(ViT(1, extra))) == 1


def test_the_maps_of_tokens_are_those_of_the_grid():
    network = ViT(3, 1).eval()
    read = calls.read(network, IMAGES)
    (tap,) = [tap_of(value, read) for value in stages.find(read, 1).ends]
    tokens = network.blocks(
        torch.cat([network.extra.expand(3, -1, -1), network.embed(IMAGES).flatten(2).transpose(1, 2)], 1)
    )
    torch.testing.assert_close(
        TappedNetwork(network, [tap])(IMAGES)[0], tokens[:, 1:].transpose(1, 2).reshape(3, 16, 4, 4)
    )


class Merge(nn.Module):
    """Swin's: channels last, four pixels to one."""

    def __init__(self, width):
        super().__init__()
        self.norm, self.reduce = nn.LayerNorm(4 * width), nn.Linear(4 * width, 2 * width)

    def forward(self, x):
        return self.reduce(self.norm(torch.cat([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], -1)))


class Pixelwise(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, x):
        return x + torch.relu(self.linear(self.norm(x)))


class ChannelsLast(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.embed = nn.Conv2d(3, width, (2, 1), (2, 1))  # maps of 16x32: height and width differ
        self.stages = nn.Sequential(
            Pixelwise(width), Merge(width), Pixelwise(2 * width), Merge(2 * width), Pixelwise(4 * width)
        )

    def forward(self, x):
        return self.stages(self.embed(x).permute(0, 2, 3, 1)).mean((1, 2))


def test_maps_with_channels_last_are_recognised():
    assert found(ChannelsLast()) == ["stages.0: 8x16x32", "stages.2: 16x8x16", "stages: 32x4x8"]


class UNet(nn.Module):
    def __init__(self, further=0):
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(16, 8, 2, 2), nn.ConvTranspose2d(8, 4, 2, 2)])
        more = [layer for _ in range(further) for layer in (nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1))]
        self.mix = nn.ModuleList([nn.Sequential(nn.Conv2d(16, 8, 3, 1, 1), *more), nn.Conv2d(8, 4, 3, 1, 1)])
        self.out = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        skips = []
        for layer in self.down:
            x = torch.relu(layer(x))
            skips.append(x)
        for up, mix, skip in zip(self.up, self.mix, (skips[1], skips[0])):
            x = torch.relu(mix(torch.cat([up(x), skip], 1)))
        return self.out(x)


def test_the_decoder_of_a_u_net_has_stages():
    assert found(UNet()) == ["down.2: 16x8x8", "mix.0: 8x16x16", "out: 2x32x32"]


class TwoInputCells(nn.Module):
    """Cells that take the two maps before them, as in NASNet and DARTS: no map in between is on every path."""

    class Cell(nn.Module):
        def __init__(self, older, before, width, stride):
            super().__init__()
            self.older, self.before = nn.Conv2d(older, width, 1), nn.Conv2d(before, width, 1)
            self.mix = nn.Conv2d(2 * width, 2 * width, 3, stride, 1)

        def forward(self, older, before):
            older, before = self.older(older), self.before(before)
            if older.shape != before.shape:
                older = nn.functional.max_pool2d(older, 2)
            return torch.relu(self.mix(torch.cat([older, before], 1)))

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 1, 1)
        sizes = [(8, 8, 6, 1), (8, 12, 8, 2), (12, 16, 8, 1), (16, 16, 8, 2), (16, 16, 8, 1)]
        self.cells = nn.ModuleList(self.Cell(*size) for size in sizes)

    def forward(self, x):
        older = before = self.stem(x)
        for cell in self.cells:
            older, before = before, cell(older, before)
        return before.mean((2, 3))


def test_cells_with_two_inputs_have_a_stage_at_every_resolution():
    sizes = [text.split("x", 1)[1] for text in found(TwoInputCells())]
    assert sizes == ["32x32", "16x16", "8x8"]
    assert found(TwoInputCells())[-1] == "cells.4: 16x8x8"


def test_volumes_and_series_are_maps_in_their_own_dimensions():
    volume = nn.Sequential(nn.Conv3d(1, 4, 3, 1, 1), nn.ReLU(), nn.Conv3d(4, 6, 3, 2, 1), nn.ReLU())
    assert found(volume, torch.randn(3, 1, 8, 12, 16)) == ["1: 4x8x12x16", "3: 6x4x6x8"]
    series = nn.Sequential(nn.Conv1d(2, 4, 5, 1, 2), nn.ReLU(), nn.Conv1d(4, 6, 5, 4, 2), nn.ReLU())
    assert found(series, torch.randn(3, 2, 64)) == ["1: 4x64", "3: 6x16"]


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 7, 2, batch_first=True)
        self.head = nn.Linear(7, 2)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def test_the_output_of_a_recurrent_layer_is_a_map_over_time():
    assert found(Recurrent(), torch.randn(3, 11, 5)) == ["lstm[0]: 7x11"]


class Parametrised(nn.Module):
    """The weight, (3, 3, 32, 32) like a batch of images, is computed from others: it is no map."""

    def __init__(self):
        super().__init__()
        layer = nn.Conv2d(3, 3, 32, padding=16)
        self.layer = nn.utils.parametrizations.weight_norm(layer)
        self.last = nn.Conv2d(3, 5, 3, 2, 1)

    def forward(self, x):
        return self.last(self.layer(x))


def test_a_computed_weight_is_no_map():
    assert found(Parametrised()) == ["layer: 3x33x33", "last: 5x17x17"]


def test_a_classifier_is_the_head_and_a_skipped_layer_is_unused():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Flatten(), nn.Linear(4 * 256, 2))
    network.add_module("never", nn.Identity())
    network.never.weight = nn.Parameter(torch.zeros(5))
    read = calls.read(network, IMAGES)
    split = stages.find(read, 3)
    assert read.names(split.head) == ["2.weight", "2.bias"] and read.names(split.unused) == ["never.weight"]


def test_a_copy_can_be_made_and_no_hook_is_left():
    network = Shared()
    found(network)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
