"""An Optuna study with our score as its objective: nothing is trained, no labels are needed.

python examples/optuna_study.py
optuna-dashboard sqlite:///study.db
"""

import sys

import optuna
from torch import nn

from naslib_gennas import score


def build_model(trial):
    width, layers = trial.suggest_int("width", 8, 32, step=8), []
    for i in range(trial.suggest_int("depth", 2, 4)):
        kernel = trial.suggest_categorical(f"kernel {i}", [1, 3, 5])
        layers += [nn.LazyConv2d(width * 2**i, kernel, 2, kernel // 2), nn.LazyBatchNorm2d(), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(10))


def objective(trial):
    build_model(trial)  # asks for the choices
    return score(build_model, trial.params, profile="fast").score


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    study = optuna.create_study(
        study_name="gennas", storage="sqlite:///study.db", direction="maximize", load_if_exists=True
    )
    study.optimize(objective, n_trials=trials)
    print(f"{study.best_value:.4f} {study.best_params}")
