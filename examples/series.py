"""A space of networks for time series: one channel of 512 numbers, as from a sensor or a microphone.

gennas rank examples/series.py:series --n 20 --inputs noise
"""

from torch import nn

from naslib_gennas.spaces import from_function


class Residual(nn.Module):
    def __init__(self, width, kernel, dilation):
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv1d(width, width, kernel, padding=padding, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x):
        return x + self.norm(self.conv(x)).relu()


def build(choose):
    width, layers = choose.suggest_categorical("width", [8, 16, 32]), []
    for stage in range(3):
        channels = width * 2**stage
        layers += [
            nn.Conv1d(1 if stage == 0 else channels // 2, channels, 9, 4, 4),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
        ]
        for i in range(choose.suggest_int(f"depth {stage}", 1, 3)):
            kernel = choose.suggest_categorical(f"kernel {stage} {i}", [3, 5, 9])
            layers.append(Residual(channels, kernel, choose.suggest_categorical(f"dilation {stage} {i}", [1, 2])))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(width * 4, 10))


series = from_function(build, name="series", inputs=(1, 512))
