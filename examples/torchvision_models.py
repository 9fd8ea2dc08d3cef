"""torchvision's ImageNet classifiers as a search space of one choice, with their published accuracies as ground truth.

python examples/torchvision_models.py > models.csv
gennas rank examples/torchvision_models.py:models --truth models.csv --n 20 --proxy naswot

The networks are of many families, untrained, and see images of 64x64 pixels. Needs torchvision; nothing is downloaded.
"""

from torchvision import models as torchvision_models

from naslib_gennas.spaces import from_function


def accuracies(largest=32_000_000):
    """Top-1 accuracy of the first published weights, by model; without those that take 224 pixels only."""
    found = {}
    for name in torchvision_models.list_models(module=torchvision_models):
        weights = getattr(torchvision_models.get_model_weights(name), "IMAGENET1K_V1", None)
        # inception_v3 wants at least 75 pixels.
        if weights is None or name.startswith(("vit_", "maxvit", "inception")):
            continue
        if weights.meta["num_params"] <= largest:
            found[name] = weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    return found


def build(choose):
    name = choose.suggest_categorical("model", sorted(accuracies()))
    # Without its own drawing of weights, which takes seconds and warns.
    settings = {"init_weights": False} if name == "googlenet" else {}
    return torchvision_models.get_model(name, **settings)


models = from_function(
    build,
    name="torchvision-models",
    inputs=(3, 64, 64),
    format=lambda choices: choices["model"],
    parse=lambda text: {"model": text},
)

if __name__ == "__main__":
    print("arch,imagenet_accuracy", *(f"{name},{top1}" for name, top1 in accuracies().items()), sep="\n")
