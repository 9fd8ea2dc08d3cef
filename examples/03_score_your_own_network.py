"""Score networks of your own: a ResNet and a plain VGG of about the same number of parameters.

Any torch module that takes a batch of images will do. `score_network` finds the stages (the last feature map before
each drop of resolution) or takes their names, and shows which it used. Networks that shall be compared must be
initialised the same way, here by torch's own initialisation after the same seed.
"""

import torch
from torch import nn

import naslib_gennas


class ResidualBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet(classes: int = 10) -> nn.Module:
    """A ResNet-20, the CIFAR kind: three stages of three blocks with 16, 32 and 64 channels."""
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for index, (before, width) in enumerate(((16, 16), (16, 32), (32, 64))):
        blocks = [ResidualBlock(before if i == 0 else width, width, 2 if index and i == 0 else 1) for i in range(3)]
        layers.append(nn.Sequential(*blocks))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def vgg(classes: int = 10) -> nn.Module:
    """A plain VGG as deep and as wide as the ResNet, without its shortcuts and with pooling between stages."""
    layers = []
    before = 3
    for index, width in enumerate((16, 32, 64)):
        if index:
            layers.append(nn.MaxPool2d(2))
        for _ in range(6 + (index == 0)):
            layers += [nn.Conv2d(before, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def main() -> None:
    for name, make in (("ResNet-20", resnet), ("plain VGG", vgg)):
        torch.manual_seed(0)
        network = make()
        parameters = sum(p.numel() for p in network.parameters())
        print(f"{name}, {parameters / 1e6:.2f} M parameters: {naslib_gennas.score_network(network, profile='fast')}")

    # The stages by name, as `network.named_modules()` has them: here the outputs of the three groups of blocks.
    torch.manual_seed(0)
    print("ResNet-20, last stage alone:", naslib_gennas.score_network(resnet(), stages=["5"], profile="fast"))


if __name__ == "__main__":
    main()
