"""How maps and tokens lie in memory: extra tokens anywhere, merged neighbours, sets, steps first, several inputs."""

from __future__ import annotations

import pytest
import torch
from test_networks_stages import Attention, ViT, found
from torch import nn
from torch.nn import functional

from naslib_gennas.networks import calls, layouts, stages
from naslib_gennas.networks.tapped import TappedNetwork, tap_of
from naslib_gennas.scoring.network import describe_network, score_network

QUICK = {"images": 4, "steps": 3, "target_size": 4}
IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Registers(ViT):
    """A class token in front of the patches, further tokens behind them."""

    def __init__(self, depth, before, after):
        super().__init__(depth, before)
        self.registers = nn.Parameter(torch.randn(1, after, 16))

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        first, last = (tokens.expand(len(x), -1, -1) for tokens in (self.extra, self.registers))
        return self.head(self.blocks(torch.cat([first, x, last], 1))[:, 0])


@pytest.mark.parametrize("before, after", [(0, 4), (1, 4), (1, 30), (40, 0)])
def test_tokens_before_and_behind_those_of_the_grid_are_left_out(before, after):
    network = Registers(3, before, after).eval()
    assert found(network) == ["blocks.0: 16x4x4", "blocks.1: 16x4x4", "blocks: 16x4x4"]
    read = calls.read(network, IMAGES)
    tap = tap_of(stages.find(read, 1).ends[-1], read)
    seen = {}
    network.blocks.register_forward_hook(lambda module, given, output: seen.update(tokens=output))
    network(IMAGES)
    patches = seen["tokens"][:, before : before + 16]
    torch.testing.assert_close(TappedNetwork(network, [tap])(IMAGES)[0].flatten(2), patches.transpose(1, 2))


class Prompts(ViT):
    """Tokens that are put between the class token and the patches anew before every block."""

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.extra[:, :1].expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(torch.cat([x[:, :1], self.extra.expand(len(x), -1, -1), x[:, 1:]], 1))
            x = torch.cat([x[:, :1], x[:, 1 + self.extra.shape[1] :]], 1)
        return self.head(x[:, 0])


def test_prompts_are_no_part_of_the_map():
    assert found(Prompts(3, 20)) == ["blocks.0: 16x4x4", "blocks.1: 16x4x4", "blocks.2: 16x4x4"]


class Merge(nn.Module):
    """Four neighbours to one by a reshape, not by slices."""

    def __init__(self, width):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(4 * width), nn.Linear(4 * width, 2 * width)

    def forward(self, x):
        images, height, width, channels = x.shape
        x = x.reshape(images, height // 2, 2, width // 2, 2, channels).permute(0, 1, 3, 4, 2, 5).flatten(3)
        return self.linear(self.norm(x))


class Windows(nn.Module):
    """Attention in windows of 4x4 that are folded into the batch."""

    def __init__(self, width):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        images, height, width, channels = x.shape
        y = self.norm(x).view(images, height // 4, 4, width // 4, 4, channels).permute(0, 1, 3, 2, 4, 5)
        y = y.reshape(-1, 16, channels)
        y = self.attention(y, y, y)[0].view(images, height // 4, width // 4, 4, 4, channels)
        x = x + y.permute(0, 1, 3, 2, 4, 5).reshape(images, height, width, channels)
        return x + self.mlp(x)


class Swin(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 2, 2)
        self.stages = nn.ModuleList(nn.Sequential(Windows(width), Windows(width)) for width in (8, 16, 32))
        self.merges = nn.ModuleList([Merge(8), Merge(16)])

    def forward(self, x):
        x = self.stages[0](self.embed(x).permute(0, 2, 3, 1))
        for merge, stage in zip(self.merges, self.stages[1:]):
            x = stage(merge(x))
        return x.flatten(1, 2).mean(1)


def test_a_resolution_that_a_reshape_lowers_is_a_stage():
    assert found(Swin()) == ["stages.0: 8x16x16", "stages.1: 16x8x8", "stages.2: 32x4x4"]


class Latents(nn.Module):
    """A few latents gather what they need of the tokens: they lie on no grid."""

    def __init__(self, latents):
        super().__init__()
        self.embed, self.latents = nn.Conv2d(3, 16, 4, 4), nn.Parameter(torch.randn(latents, 16))
        self.gather = nn.MultiheadAttention(16, 2, batch_first=True)
        self.block = Attention(16)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        return self.block(self.gather(self.latents.expand(len(x), -1, -1), x, x)[0]).mean(1)


@pytest.mark.parametrize("latents", [5, 6, 7, 16, 32])
def test_latents_are_a_sequence(latents):
    assert found(Latents(latents)) == ["embed: 16x8x8", f"block: 16x{latents}"]
    assert describe_network(Latents(latents), profile=QUICK).reached == 1.0


class Masked(nn.Module):
    """A quarter of the tokens, picked at random, is encoded; all are decoded."""

    def __init__(self):
        super().__init__()
        self.embed, self.mask = nn.Conv2d(3, 16, 4, 4), nn.Parameter(torch.zeros(1, 1, 16))
        self.encoder = nn.Sequential(Attention(16), Attention(16))
        self.decoder = nn.Sequential(Attention(16), Attention(16))

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        order = torch.rand(x.shape[:2]).argsort(1)
        x = self.encoder(torch.gather(x, 1, order[:, :16, None].expand(-1, -1, 16)))
        x = torch.cat([x, self.mask.expand(len(x), 48, -1)], 1)
        return self.decoder(torch.gather(x, 1, order.argsort(1)[..., None].expand(-1, -1, 16)))


def test_tokens_that_are_picked_lie_on_no_grid():
    assert found(Masked()) == ["embed: 16x8x8", "encoder: 16x16", "decoder: 16x64"]


class Diffusion(nn.Module):
    """Blocks that a time step enters, too: no path from it passes through all of them."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.shift, self.body = nn.Linear(16, 16), Attention(16)

        def forward(self, x, time):
            return self.body(x + self.shift(time)[:, None])

    def __init__(self, depth):
        super().__init__()
        self.embed, self.time = nn.Conv2d(3, 16, 8, 8), nn.Linear(1, 16)
        self.blocks = nn.ModuleList(self.Block() for _ in range(depth))
        self.out = nn.Linear(16, 8)

    def forward(self, x, time):
        x, time = self.embed(x).flatten(2).transpose(1, 2), self.time(time[:, None])
        for block in self.blocks:
            x = block(x, time)
        return self.out(x)


def test_a_small_input_beside_the_image_hides_no_stage():
    told = describe_network(Diffusion(6), inputs=(torch.randn(4, 3, 32, 32), torch.rand(4)), profile=QUICK)
    assert [str(stage) for stage in told.stages] == ["blocks.1: 16x4x4", "blocks.3: 16x4x4", "blocks.5: 16x4x4"]


class TwoSteps(nn.Module):
    """A block that lowers height and width first, and then the depth, beside a shortcut that does both."""

    def __init__(self, before, width, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(before, 2 * width, (1, 3, 3), (1, stride, stride), (0, 1, 1)),
            nn.BatchNorm3d(2 * width),
            nn.ReLU(),
            nn.Conv3d(2 * width, width, (3, 1, 1), (stride, 1, 1), (1, 0, 0)),
        )
        self.shortcut = nn.Conv3d(before, width, 1, stride)

    def forward(self, x):
        return functional.relu(self.body(x) + self.shortcut(x))


def test_a_resolution_within_a_block_is_no_stage():
    network = nn.Sequential(TwoSteps(3, 8, 1), TwoSteps(8, 16, 2), TwoSteps(16, 24, 2))
    assert found(network, torch.randn(3, 3, 16, 16, 16)) == ["0: 8x16x16x16", "1: 16x8x8x8", "2: 24x4x4x4"]


class Scan(nn.Module):
    """A state-space layer as a loop over time; its state has further axes."""

    def __init__(self, width=12):
        super().__init__()
        self.enter, self.step, self.norm = nn.Linear(5, width), nn.Linear(width, 1), nn.LayerNorm(width)
        self.decay, self.out = nn.Parameter(-torch.rand(width, 4)), nn.Linear(width, width)

    def forward(self, x):
        x = self.enter(x)
        step, state, outputs = functional.softplus(self.step(x)), 0.0, []
        for time in range(x.shape[1]):
            state = torch.exp(step[:, time, :, None] * self.decay) * state + x[:, time, :, None]
            outputs.append(state.sum(-1))
        return self.out(self.norm(torch.stack(outputs, 1) + x))


@pytest.mark.parametrize("steps", [9, 32])
def test_what_is_stacked_over_time_is_a_sequence(steps):
    assert found(Scan(), torch.randn(3, steps, 5)) == [f"out: 12x{steps}"]


class StepsFirst(nn.Module):
    """PyTorch's tutorials: steps first, examples second."""

    def __init__(self, kind):
        super().__init__()
        self.words = nn.Embedding(50, 16)
        layer = nn.LSTM(16, 16, 2) if kind == "lstm" else nn.TransformerEncoderLayer(16, 2, 32, 0.0)
        self.body = layer if kind == "lstm" else nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 50)

    def forward(self, x):
        x = self.body(self.words(x))
        return self.head(x[0] if isinstance(x, tuple) else x)


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
@pytest.mark.parametrize("given", [None, torch.randint(50, (20, 6), generator=torch.Generator().manual_seed(0))])
def test_networks_that_take_steps_first_are_given_steps_first(kind, given):
    told = describe_network(StepsFirst(kind), inputs=given, profile=QUICK)
    steps, examples = (32, 4) if given is None else given.shape
    assert f"{steps}x{examples}" in " ".join([told.inputs, *told.notes])
    assert all(stage.size == (steps,) and stage.batch == 1 for stage in told.stages)
    assert score_network(StepsFirst(kind), inputs=given, profile=QUICK).status == "ok"


def test_attention_across_the_images_of_a_batch_is_told():
    class Mistaken(nn.Module):
        def __init__(self, first):
            super().__init__()
            self.embed = nn.Conv2d(3, 16, 8, 8)
            self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=first)

        def forward(self, x):
            return self.block(self.embed(x).flatten(2).transpose(1, 2)).mean(1)

    (note,) = (note for note in describe_network(Mistaken(False), profile=QUICK).notes if "across" in note)
    assert note.startswith("'block' works across the examples of a batch") and "batch_first=True" in note
    assert not [note for note in describe_network(Mistaken(True), profile=QUICK).notes if "across" in note]


class OwnAttention(nn.Module):
    """Attention by hand: heads are split and joined by reshapes, the products are of matrices."""

    def __init__(self, width=16):
        super().__init__()
        self.queries, self.rest, self.out = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
            nn.Linear(width, width),
        )

    def forward(self, x, given):
        images, tokens, width = x.shape
        queries = self.queries(x).view(images, tokens, 2, -1).transpose(1, 2)
        keys, values = self.rest(given).view(images, given.shape[1], 2, 2, -1).permute(2, 0, 3, 1, 4)
        weights = (queries @ keys.transpose(-2, -1)).softmax(-1)
        return self.out((weights @ values).transpose(1, 2).reshape(images, tokens, width))


class OwnLatents(nn.Module):
    def __init__(self, latents):
        super().__init__()
        self.embed, self.latents = nn.Conv2d(3, 16, 4, 4), nn.Parameter(torch.randn(latents, 16))
        self.gather, self.blocks = OwnAttention(), nn.ModuleList(Attention(16) for _ in range(3))

    def forward(self, x):
        x = self.gather(self.latents.expand(len(x), -1, -1), self.embed(x).flatten(2).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        return x.mean(1)


@pytest.mark.parametrize("latents", [7, 32])
def test_attention_by_hand_gathers_latents_without_a_grid(latents):
    assert found(OwnLatents(latents)) == [f"blocks.{index}: 16x{latents}" for index in range(3)]


class Graph(nn.Module):
    """Every layer takes the adjacency matrix, which is larger than the vertices' features."""

    def __init__(self, depth):
        super().__init__()
        self.enter, self.layers = nn.Linear(4, 16), nn.ModuleList(nn.Linear(16, 16) for _ in range(depth))

    def forward(self, x, edges):
        x = self.enter(x)
        for linear in self.layers:
            x = functional.relu(edges @ linear(x)) + x
        return x


def test_what_every_layer_is_given_beside_its_input_hides_no_stage():
    inputs = (torch.randn(4, 10, 4), torch.rand(4, 10, 10))
    told = describe_network(Graph(3), inputs=inputs, profile=QUICK)
    assert [stage.place for stage in told.stages] == ["the network/add#1", "the network/add#2", "the network"]


class Experts(nn.Module):
    """Every token is written to its place by one of two experts."""

    def __init__(self):
        super().__init__()
        self.embed, self.choose = nn.Conv2d(3, 16, 8, 8), nn.Linear(16, 2)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16)) for _ in range(2))
        self.last = nn.Linear(16, 16)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        flat = x.reshape(-1, 16)
        weights, chosen = self.choose(flat).softmax(-1).max(-1)
        made = torch.zeros_like(flat)
        for number, expert in enumerate(self.experts):
            made[chosen == number] = expert(flat[chosen == number]) * weights[chosen == number, None]
        return self.last(x + made.view_as(x))


def test_what_is_written_into_a_tensor_counts():
    torch.manual_seed(0)
    told = describe_network(Experts(), profile=QUICK)
    assert told.reached == 1.0 and told.head == ()


def test_a_generator_is_given_vectors():
    enter, up = nn.Linear(16, 32 * 16), nn.ConvTranspose2d(32, 16, 4, 2, 1)
    network = nn.Sequential(enter, nn.Unflatten(-1, (32, 4, 4)), up, nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1))
    told = describe_network(network, profile=QUICK)
    assert told.inputs == "noise, vectors of 16 numbers" and told.reached == 1.0
    assert [str(stage) for stage in told.stages][-1] == "4: 3x16x16"


class Shuffled(nn.Module):
    """The resolution rises by a 1x1 convolution whose channels become pixels."""

    def __init__(self):
        super().__init__()
        self.enter, self.down = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 16, 2, 2)
        self.middle = nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU())
        self.up = nn.Sequential(nn.Conv2d(16, 32, 1), nn.PixelShuffle(2))
        self.out = nn.Conv2d(8, 3, 3, 1, 1)

    def forward(self, x):
        x = self.enter(x)
        return self.out(x + self.up(self.middle(self.down(x))))


def test_the_encoder_ends_before_the_block_that_raises_the_resolution():
    assert found(Shuffled())[-2:] == ["middle: 16x16x16", "out: 3x32x32"]


class Alternating(nn.Module):
    """The network itself adds what works between its blocks."""

    def __init__(self, depth):
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 8, 8)
        self.blocks = nn.ModuleList(Attention(16) for _ in range(depth))
        self.between = nn.ModuleList(nn.Linear(16, 32) for _ in range(depth))
        self.back = nn.ModuleList(nn.Linear(32, 16) for _ in range(depth))

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        for block, wide, narrow in zip(self.blocks, self.between, self.back):
            x = block(x)
            x = x + narrow(functional.gelu(wide(x)))
        return x.mean(1)


def test_a_stage_ends_after_what_works_between_blocks():
    assert found(Alternating(3)) == [f"the network/add#{number}: 16x4x4" for number in (1, 2, 3)]
    assert describe_network(Alternating(3), profile=QUICK).head == ()


class NormOfChannels(nn.LayerNorm):
    """A norm of (images, channels, height, width) that turns the axes itself, as ConvNeXt's."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def test_where_channels_are_is_told_by_the_layers():
    square = torch.zeros(2, 8, 8, 8)  # every axis could be that of the channels
    assert layouts.channels_last([nn.LayerNorm(8)], square)
    assert layouts.channels_last([nn.ReLU(), nn.Linear(8, 4)], square)
    assert not layouts.channels_last([NormOfChannels(8)], square)
    assert not layouts.channels_last([nn.Linear(8, 8), nn.Conv2d(8, 4, 1)], square)
    assert not layouts.channels_last([nn.LayerNorm([8, 8, 8])], square)
    assert layouts.channels_last([nn.Linear(6, 6), nn.Conv2d(3, 5, 1)], torch.zeros(2, 8, 8, 6))
    assert not layouts.channels_last([nn.Linear(10, 10), nn.BatchNorm2d(8)], square)
