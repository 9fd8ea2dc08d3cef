"""spaces.get and spaces.names: what is found, and what an unknown name is told."""

from __future__ import annotations

import pytest

from naslib_gennas import spaces
from naslib_gennas.errors import InputError


def test_every_name_gives_its_space():
    assert len(spaces.names()) >= 26
    assert all(spaces.get(name).name == name for name in spaces.names())


@pytest.mark.parametrize(
    "asked, meant",
    [
        ("nas-bench-201", "nasbench201"),
        ("NASBench201", "nasbench201"),
        ("nasbench301", "darts"),
        ("NAS-Bench-NLP", "nasbenchnlp"),
        ("transbench101_micro", "transnas-micro"),
        ("NATS-SSS", "nats-size"),
        ("nds_darts", "nds-darts"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(asked, meant):
    with pytest.raises(InputError, match=f"unknown search space '{asked}'; did you mean '{meant}'"):
        spaces.get(asked)


@pytest.mark.parametrize(
    "space, settings, message",
    [
        ("darts", {"cell": 14}, "darts: unknown setting 'cell'; it leaves open: cells, channels"),
        ("nasbench201", {"cells": 14}, "nasbench201: unknown setting 'cells'; its networks have no settings"),
        (["darts"], {}, "is no search space; give its name"),
    ],
)
def test_settings_that_a_space_does_not_have_are_refused(space, settings, message):
    with pytest.raises(InputError, match=message):
        spaces.get(space, **settings)
