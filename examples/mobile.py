"""A MobileNet-like search space: that of NAS-Bench-Macro (arXiv:2103.11922), 6,561 networks.

gennas rank examples/mobile.py:mobile --truth nasbench_macro.csv --n 20
gennas search examples/mobile.py:mobile --evaluations 60
"""

from torch import nn

from naslib_gennas.spaces import from_function


class Mobile(nn.Module):
    """Eight layers in three stages; a layer is 0 (identity), 1 (kernel 3, expansion 3) or 2 (kernel 5, expansion 6)."""

    def __init__(self, layers):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        blocks, width = [], 32
        for place, layer in enumerate(layers):
            stride = 2 if place in (0, 2, 5) else 1
            blocks.append(block(layer, width, width * stride, stride))
            width *= stride
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Sequential(nn.Conv2d(width, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU())
        self.classifier = nn.Linear(1280, 10)

    def forward(self, x):
        return self.classifier(self.last(self.blocks(self.stem(x))).mean((2, 3)))


def block(layer, width, out, stride):
    if layer == 0 and stride == 1:
        return nn.Identity()
    if layer == 0:
        return nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))
    return InvertedResidual(width, out, stride, *((3, 3) if layer == 1 else (5, 6)))


class InvertedResidual(nn.Module):
    def __init__(self, width, out, stride, kernel, expansion):
        super().__init__()
        inner = width * expansion
        self.shortcut = stride == 1
        self.body = nn.Sequential(
            *(nn.Conv2d(width, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU()),
            *(nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner, bias=False), nn.BatchNorm2d(inner)),
            *(nn.ReLU(), nn.Conv2d(inner, out, 1, bias=False), nn.BatchNorm2d(out)),
        )

    def forward(self, x):
        return self.body(x) + x if self.shortcut else self.body(x)


# The search space; format and parse give it the benchmark's notation, a digit a layer.
mobile = from_function(
    lambda choose: Mobile([choose.suggest_int(f"layer {place}", 0, 2) for place in range(8)]),
    name="mobile",
    format=lambda choices: "".join(map(str, choices.values())),
    parse=lambda text: {f"layer {place}": int(digit) for place, digit in enumerate(text)},
)
