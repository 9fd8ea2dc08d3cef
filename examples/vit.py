"""A space of vision transformers: that of AutoFormer-tiny (arXiv:2107.00651), with small patches for small images.

gennas rank examples/vit.py:vit --truth autoformer.json:c100_base_acc --n 20 --proxy swap
"""

import torch
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.spaces import from_function


class Block(nn.Module):
    """Attention and an MLP, each with a norm before it and a shortcut; the heads have 64 channels each."""

    def __init__(self, width, heads, ratio):
        super().__init__()
        self.heads, inner = heads, int(width * ratio)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv, self.out = nn.Linear(width, 3 * 64 * heads), nn.Linear(64 * heads, width)
        self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))

    def forward(self, x):
        q, k, v = self.qkv(self.norms[0](x)).unflatten(-1, (3, self.heads, 64)).movedim(2, 0).transpose(2, 3)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norms[1](x))


class VisionTransformer(StagedNetwork):
    """Its stage feature maps are the tokens after a third, two thirds and all of its blocks, on their grid."""

    def __init__(self, width, blocks):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.blocks = nn.ModuleList([Block(width, heads, ratio) for heads, ratio in blocks])
        self.norm, self.classifier = nn.LayerNorm(width), nn.Linear(width, 100)

    @property
    def stage_channels(self):
        return [self.classifier.in_features] * 3

    def forward(self, x):
        maps = self.patches(x)
        tokens, ends = maps.flatten(2).transpose(1, 2), []
        for number, block in enumerate(self.blocks, start=1):
            tokens = block(tokens)
            if number in (len(self.blocks) // 3, 2 * len(self.blocks) // 3, len(self.blocks)):
                ends.append(tokens.transpose(1, 2).unflatten(2, maps.shape[2:]))
        return ends

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.norm(self.forward(x)[-1].flatten(2).transpose(1, 2)).mean(1))


def build(choose):
    width = choose.suggest_categorical("hidden_dim", [192, 216, 240])
    depth = choose.suggest_int("depth", 12, 14)
    heads = [choose.suggest_categorical(f"heads {i}", [3, 4]) for i in range(depth)]
    ratios = [choose.suggest_categorical(f"ratio {i}", [3.5, 4.0]) for i in range(depth)]
    return VisionTransformer(width, list(zip(heads, ratios)))


def parse(row):
    """The choices of an architecture as AutoFormer's tables have it."""
    lists = {"heads": row["num_heads"], "ratio": row["mlp_ratio"]}
    blocks = {f"{name} {i}": value for name, values in lists.items() for i, value in enumerate(values)}
    return {"hidden_dim": row["hidden_dim"], "depth": row["depth"], **blocks}


vit = from_function(build, name="vit", parse=parse)
