"""Write the network of an architecture as a Python file, train it on real images, and write it as ONNX.

    python examples/10_train_what_was_found.py                        # an architecture of NAS-Bench-201
    python examples/10_train_what_was_found.py gennas-runs/SEARCH     # what a search has found

The images are scikit-learn's handwritten digits (1,797 of 8x8 pixels, ``pip install scikit-learn``). The network is the
small one that the profile `fast` scores; ``--size published`` trains the whole one.
"""

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

import torch
from rich.progress import track
from sklearn.datasets import load_digits
from torch.nn.functional import cross_entropy

from naslib_gennas.studies.export import export

SPACE = "nasbench201"
ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"


def digits(count=None):
    """Images (count, 3, 8, 8) and their labels, shuffled."""
    found = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32)[:, None].repeat(1, 3, 1, 1)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:count]
    return (images[order] - images.mean()) / images.std(), torch.tensor(found.target)[order]


def train(network, images, labels, epochs, batch=64):
    """SGD with Nesterov momentum and a cosine schedule, as the benchmarks train."""
    steps = epochs * -(-len(images) // batch)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train()
    batches = (part for _ in range(epochs) for part in torch.randperm(len(images)).split(batch))
    for part in track(batches, "Training", total=steps):
        loss = cross_entropy(network(images[part]), labels[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def main(arch=ARCH, size="fast", epochs=5, count=None, folder="."):
    """Export, train, test, and export what was trained; gives the test accuracy."""
    file = Path(folder) / "model.py"
    print(export(SPACE, arch, [file], classes=10, resolution=8, size=size, overwrite=True).cost)
    # `import model` does it where the file lies beside the script.
    spec = importlib.util.spec_from_file_location("model", file)
    model = sys.modules["model"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(model)

    torch.manual_seed(0)
    network = model.network()
    images, labels = digits(count)
    held_out = len(images) // 4
    train(network, images[held_out:], labels[held_out:], epochs)
    with torch.no_grad():
        accuracy = (network.eval()(images[:held_out]).argmax(1) == labels[:held_out]).float().mean().item()
    print(f"test accuracy after {epochs} epochs: {accuracy:.1%} of {held_out} images")

    weights = Path(folder) / "trained.pt"
    torch.save(network.state_dict(), weights)
    files = [Path(folder) / "trained.pt2"]
    if importlib.util.find_spec("onnxscript") is not None:  # pip install '.[export]'
        files.append(Path(folder) / "trained.onnx")
    export(SPACE, arch, files, classes=10, resolution=8, size=size, weights=weights, overwrite=True)
    print("written:", ", ".join(map(str, [file, weights, *files])))
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arch", nargs="?", default=ARCH, help="an architecture, or the folder of a search")
    parser.add_argument("--size", default="fast", help="published, or a profile")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the files go")
    given = parser.parse_args()
    main(given.arch, given.size, given.epochs, None, given.folder)
