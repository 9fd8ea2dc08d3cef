"""Networks of every kind that `score_network` is given: what it scores of each, or how it refuses.

python benchmarks/own_networks.py [--only WORD] [--steps 2] [--json own_networks.json]

Needs torchvision, timm and transformers; nothing is downloaded. A row is kept in the JSON file as soon as it is there,
and is not made again. The run fails where a network raises anything but one line, where it is scored although less than
90% of its backbone are reached, where the advice of a refusal does not work, and where a deeper version has the score
of a shallower one.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import torch
from torch import nn

from naslib_gennas import InputError, score_network
from naslib_gennas.networks import sources
from naslib_gennas.randomness import isolated

warnings.filterwarnings("ignore")

TORCHVISION = (
    "resnet18 resnet34 resnet50 resnext50_32x4d wide_resnet50_2 vgg11 vgg11_bn vgg13_bn densenet121 densenet169 "
    "googlenet inception_v3 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large efficientnet_b0 efficientnet_b1 "
    "efficientnet_v2_s shufflenet_v2_x0_5 shufflenet_v2_x1_0 squeezenet1_0 squeezenet1_1 mnasnet0_5 mnasnet1_0 "
    "regnet_x_400mf regnet_y_400mf regnet_y_800mf alexnet convnext_tiny convnext_small swin_t swin_s swin_v2_t "
    "maxvit_t fcn_resnet50 deeplabv3_mobilenet_v3_large lraspp_mobilenet_v3_large fasterrcnn_resnet50_fpn "
    "ssdlite320_mobilenet_v3_large r3d_18"
).split()
TIMM = (
    "vit_tiny_patch16_224 deit_tiny_patch16_224 deit_tiny_distilled_patch16_224 swin_tiny_patch4_window7_224 "
    "mixer_s32_224 resmlp_12_224 gmixer_12_224 maxvit_rmlp_pico_rw_256 coatnet_pico_rw_224 levit_128s "
    "convnext_atto convnextv2_atto poolformer_s12 poolformer_s24 efficientnet_b0 efficientnet_lite0 "
    "tf_efficientnetv2_b0 mobilenetv3_small_050 mobilevit_xxs regnetx_002 regnety_002 vgg11_bn densenet121 "
    "resnet18d resnet10t resnest14d hrnet_w18_small pvt_v2_b0 ghostnet_100 xcit_nano_12_p16_224 edgenext_xx_small "
    "repvgg_a0 fastvit_t8 inception_next_atto dla34 mobileone_s0 cait_xxs24_224 visformer_tiny pit_ti_224 "
    "tiny_vit_5m_224 efficientformer_l1 twins_svt_small convit_tiny eca_nfnet_l0 dpn48b focalnet_tiny_srf "
    "eva02_tiny_patch14_224"
).split()
# Deeper and shallower versions of one network, which must not have one score.
PAIRS = [
    ("torchvision:resnet18", "torchvision:resnet34"),
    ("torchvision:densenet121", "torchvision:densenet169"),
    ("torchvision:swin_t", "torchvision:swin_s"),
    ("torchvision:convnext_tiny", "torchvision:convnext_small"),
    ("torchvision:vgg11_bn", "torchvision:vgg13_bn"),
    ("timm:poolformer_s12", "timm:poolformer_s24"),
    ("own:vit depth 1", "own:vit depth 12"),
    ("own:gpt depth 2", "own:gpt depth 6"),
    ("own:u-net", "own:u-net, deeper decoder"),
    ("own:lstm, 1 layer", "own:lstm, 3 layers"),
]
# The parts of detectors that a refusal names.
BACKBONES: Dict[str, Callable[[nn.Module], nn.Module]] = {
    "torchvision:fasterrcnn_resnet50_fpn": lambda module: module.backbone,
    "torchvision:ssdlite320_mobilenet_v3_large": lambda module: module.backbone,
}


def vit(depth: int) -> nn.Module:
    import timm

    return timm.models.VisionTransformer(
        img_size=32, patch_size=4, embed_dim=48, depth=depth, num_heads=3, num_classes=10
    )


def transformers_model(kind: str, **settings: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import transformers

        config = getattr(transformers, f"{kind}Config")(**settings)
        return transformers.AutoModel.from_config(config)

    return make


TEXT = {
    "vocab_size": 500,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
}


def gpt(depth: int) -> nn.Module:
    return transformers_model("GPT2", vocab_size=500, n_positions=64, n_embd=64, n_layer=depth, n_head=4)()


class UNet(nn.Module):
    def __init__(self, further: int) -> None:
        super().__init__()

        def block(before: int, width: int, layers: int = 1) -> nn.Sequential:
            parts: List[nn.Module] = []
            for index in range(layers):
                parts += [nn.Conv2d(before if not index else width, width, 3, 1, 1), nn.BatchNorm2d(width), nn.ReLU()]
            return nn.Sequential(*parts)

        widths = (16, 32, 64)
        self.down = nn.ModuleList(block(before, width, 2) for before, width in zip((3, *widths), widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, 2) for a, b in ((64, 32), (32, 16)))
        self.mix = nn.ModuleList(block(2 * width, width, 1 + further) for width in (32, 16))
        self.out = nn.Conv2d(16, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for index, layer in enumerate(self.down):
            x = layer(nn.functional.max_pool2d(x, 2) if index else x)
            skips.append(x)
        for up, mix, skip in zip(self.up, self.mix, skips[1::-1]):
            x = mix(torch.cat([up(x), skip], 1))
        return self.out(x)


class Recurrent(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(12, 32, layers, batch_first=True), nn.Linear(32, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def audio() -> nn.Module:
    layers: List[nn.Module] = []
    for before, width in ((1, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv1d(before, width, 9, 4, 4), nn.BatchNorm1d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 10))


def volume() -> nn.Module:
    layers: List[nn.Module] = []
    for before, width in ((1, 8), (8, 16), (16, 32)):
        layers += [nn.Conv3d(before, width, 3, 2 if before > 1 else 1, 1), nn.BatchNorm3d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(32, 2))


OWN: Dict[str, Callable[[], nn.Module]] = {
    "own:vit depth 1": lambda: vit(1),
    "own:vit depth 12": lambda: vit(12),
    "own:u-net": lambda: UNet(0),
    "own:u-net, deeper decoder": lambda: UNet(3),
    "own:gpt depth 2": lambda: gpt(2),
    "own:gpt depth 6": lambda: gpt(6),
    "own:lstm, 1 layer": lambda: Recurrent(1),
    "own:lstm, 3 layers": lambda: Recurrent(3),
    "own:audio, 1-D": audio,
    "own:volume, 3-D": volume,
    "hf:Bert": transformers_model("Bert", **TEXT),
    "hf:Roberta": transformers_model("Roberta", **TEXT),
    "hf:DistilBert": transformers_model("DistilBert", vocab_size=500, dim=64, n_layers=4, n_heads=4, hidden_dim=128),
    "hf:ViT": transformers_model(
        "ViT", image_size=64, patch_size=8, **{k: v for k, v in TEXT.items() if k[:2] != "vo"}
    ),
    "hf:ResNet": transformers_model("ResNet", embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1]),
    "hf:Swin": transformers_model(
        "Swin", image_size=64, embed_dim=24, depths=[2, 2, 2], num_heads=[2, 2, 4], window_size=4
    ),
    "hf:Segformer": transformers_model("Segformer"),
    "hf:ConvNext": transformers_model("ConvNext", hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1]),
}


def networks() -> Dict[str, Callable[[], nn.Module]]:
    """Every network of the benchmark: its name, and what makes it."""
    made: Dict[str, Callable[[], nn.Module]] = dict(OWN)
    for source, names in (("torchvision", TORCHVISION), ("timm", TIMM)):
        for name in names:
            made[f"{source}:{name}"] = lambda text=f"{source}:{name}": sources.load(text)  # type: ignore[misc]
    return made


def measured(name: str, make: Callable[[], nn.Module], steps: int) -> Dict[str, Any]:
    """One row: what was scored, or why not."""
    with isolated(0):
        network = make()
    start = time.perf_counter()
    row: Dict[str, Any] = {"network": name, "parameters": sum(p.numel() for p in network.parameters())}
    try:
        result = score_network(network, profile={"steps": steps, "images": 4, "record_every": steps})
        row.update(
            status=result.status,
            score=result.score,
            stages=list(map(str, result.stages)),
            reached=result.reached,
            inputs=result.inputs,
            notes=list(result.notes),
        )
    except InputError as error:
        row.update(status="refused", reason=str(error), stages=[], reached=None)
        backbone = BACKBONES.get(name)
        if backbone is not None:
            told = score_network(backbone(network), profile={"steps": steps, "images": 4, "record_every": steps})
            row["advice"] = f"backbone scored on {', '.join(map(str, told.stages))}, {told.reached:.0%} reached"
    except Exception as error:  # what this benchmark looks for
        row.update(status="raw error", reason=f"{type(error).__name__}: {str(error)[:200]}", stages=[], reached=None)
    return {**row, "seconds": time.perf_counter() - start}


def faults(rows: Dict[str, Dict[str, Any]]) -> List[str]:
    """What is wrong with the rows; none should be."""
    found = []
    for name, row in rows.items():
        if row["status"] == "raw error" or "\n" in row.get("reason", ""):
            found.append(f"{name}: {row['reason']}")
        elif row["status"] == "refused" and "advice" not in row:
            found.append(f"{name}: refused: {row['reason']}")
        elif row["reached"] is not None and row["reached"] < 0.9:
            found.append(f"{name}: {row['reached']:.0%} of the backbone reached")
    for shallow, deep in PAIRS:
        if shallow in rows and deep in rows and rows[shallow].get("score") == rows[deep].get("score"):
            found.append(f"{shallow} and {deep} have one score")
    return found


def line(row: Dict[str, Any]) -> str:
    """A row of the table in docs/own_networks.md."""
    reached = "" if row["reached"] is None else f"{row['reached']:.0%}"
    what = "; ".join(row["stages"]) or row.get("advice") or row.get("reason", "")
    return f"| {row['network']} | {row['status']} | {what} | {reached} | {row['seconds']:.1f} |"


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="networks with this in their name")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--json", type=Path, default=Path("own_networks.json"))
    asked = parser.parse_args(arguments)
    rows: Dict[str, Dict[str, Any]] = json.loads(asked.json.read_text()) if asked.json.exists() else {}
    torch.set_num_threads(1)
    chosen: List[Tuple[str, Callable[[], nn.Module]]] = [n for n in networks().items() if asked.only in n[0]]
    print("| network | status | stages | reached | seconds |\n| --- | --- | --- | --- | --- |")
    for name, make in chosen:
        if name not in rows:
            rows[name] = measured(name, make, asked.steps)
            asked.json.write_text(json.dumps(rows, indent=1))
        print(line(rows[name]), flush=True)
    wrong = faults({name: rows[name] for name, _ in chosen})
    print(f"\n{len(chosen)} networks, {len(wrong)} faults", *wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
