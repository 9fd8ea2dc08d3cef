"""Identities are pinned: a change of one loses every score that users have kept, and must be meant."""

from __future__ import annotations

import importlib
import pkgutil
import warnings

import pytest

import naslib_gennas
from naslib_gennas import _moved, identity
from naslib_gennas.scoring import Scorer

#: (space, proxy, profile, inputs) -> the first digits of the fingerprint, with the numerics that the test pins.
PINNED = {
    ("nasbench201", "gennas-combo", None, None): "50c1dfc73478",
    ("nasbench201", "gennas-combo", "paper", None): "551b61a15be3",
    ("nasbench201", "gennas-combo", None, "noise"): "50c1dfc73478",
    ("nasbench201", "gennas-search-N", None, None): "891e71c0d223",
    ("nasbench201", "gennas-plus", None, None): "7e58c51dd945",
    ("nasbench201", "synflow", None, None): "6181b7be92bf",
    ("nasbench201", "ranksum:naswot+jacob_cov", None, None): "84b58b26433c",
    ("nasbench101", "gennas-combo", None, None): "1fc34b25d816",
    ("nasbenchnlp", "gennas-nlp-combo", None, None): "f3c4841a1b79",
    ("darts", "zen", None, None): "0db71d1a00d2",
    ("nds-resnet", "params", None, None): "1e507c4ee005",
}


@pytest.mark.parametrize("case", PINNED, ids=lambda case: "-".join(filter(None, case)))
def test_a_stored_run_keeps_its_identity(case: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "numerics", lambda: {"torch": "2.13.0", "onednn": True})
    space, proxy, profile, inputs = case  # type: ignore[misc]
    run = Scorer.of(space, proxy, profile=profile, inputs=inputs).run
    assert run.fingerprint[:12] == PINNED[case]  # type: ignore[index]
    assert run.inputs == (inputs or ("synthetic" if space == "nasbenchnlp" else "photos"))


@pytest.mark.parametrize("old", sorted(_moved.MOVED))
def test_the_old_name_of_a_module_still_works(old: str) -> None:
    import sys

    sys.modules.pop(f"naslib_gennas.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"naslib_gennas.{old} is naslib_gennas."):
        module = importlib.import_module(f"naslib_gennas.{old}")
    places = _moved.MOVED[old]
    for place in (places,) if isinstance(places, str) else places:
        now = importlib.import_module(f"naslib_gennas.{place}")
        own = [name for name in vars(now) if getattr(getattr(now, name), "__module__", "") == now.__name__]
        public = [name for name in getattr(now, "__all__", own) if not name.startswith("_")]
        assert public and all(getattr(module, name) is getattr(now, name) for name in public[:3])


def test_no_public_function_has_more_than_ten_parameters() -> None:
    """What is scored and how travels as one thing (`Scorer`), not as a list of parameters."""
    import inspect

    long = []
    for about in pkgutil.walk_packages(naslib_gennas.__path__, "naslib_gennas."):
        if about.name.split(".")[1] in ("plugin", "cli", "__main__"):  # NASLib's signatures, and Typer's options
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module(about.name)
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", "") != about.name or not inspect.isfunction(value):
                continue
            own = [p for p in inspect.signature(value).parameters.values() if p.kind is not p.VAR_KEYWORD]
            if len(own) > 10:
                long.append(f"{about.name}.{name}: {len(own)}")
    assert long == []


def test_what_comes_with_python_is_known_without_a_list_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.9 has none, and gives the same identities."""
    import sys

    names = ("typing", "abc", "json", "sys", "builtins", "numpy", "torch", "pytest", "no_such_package")
    identity._is_standard.cache_clear()
    listed = [identity._is_standard(name) for name in names]
    monkeypatch.delattr(sys, "stdlib_module_names", raising=False)
    identity._is_standard.cache_clear()
    assert [identity._is_standard(name) for name in names] == listed == [True] * 5 + [False] * 4
    identity._is_standard.cache_clear()
