"""The journal of a study: its steps, each kept in the store the moment it is known, so that the study can go on."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Sized, TypeVar

from naslib_gennas.identity import digest
from naslib_gennas.scoring.scorer import Scorer
from naslib_gennas.scoring.store import Store

Taken = TypeVar("Taken")


class Journal:
    """The steps of one study with one scorer and one set of settings.

    Args:
        store: where the steps are kept.
        kind: what kind of study it is; a word.
        scorer: what it scores by: its identity is part of the journal's.
        settings: everything else that decides the steps, ready for JSON.

    Attributes:
        saved: the steps that an earlier run has kept, in order.
    """

    def __init__(self, store: Store, kind: str, scorer: Scorer, settings: Mapping[str, Any]) -> None:
        about = {**scorer.identity, "drawn from": dict(scorer.space.domain), "study": settings}
        self.name = f"{kind} {scorer.space.name} {digest(about)}"
        self._store = store
        self.saved: List[Dict[str, Any]] = store.journal(self.name)

    def append(self, place: int, entry: Mapping[str, Any]) -> None:
        """Keep step number `place`, from 0 up.

        Raises:
            InputError: another process is at the same study.
        """
        self._store.append(self.name, place, entry)

    def keep(self, place: int, entry: Mapping[str, Any], take: Callable[[], Taken], into: Sized) -> Taken:
        """Keep step number `place`, and take it over into the study: both, or neither, whenever the study is stopped.

        Args:
            place: from 0 up.
            entry: the step, ready for JSON.
            take: adds the step to those that the study reports.
            into: those; longer once the step is added.

        Returns:
            What `take` gives.

        Raises:
            InputError: another process is at the same study.
        """
        before = len(into)
        try:
            self.append(place, entry)
            return take()
        except KeyboardInterrupt:  # what the journal has by now is a step of this study
            if len(into) == before and self.holds(place):
                take()
            raise

    def holds(self, place: int) -> bool:
        """Whether step number `place` is kept."""
        return len(self._store.journal(self.name)) > place

    def forget(self) -> None:
        """Delete all steps."""
        self._store.forget(self.name)
