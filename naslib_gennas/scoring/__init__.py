"""The only way to a score: what is scored, on which batch, under which identity, and where."""

from naslib_gennas.scoring.pool import Pool
from naslib_gennas.scoring.record import Record
from naslib_gennas.scoring.scorer import Place, Scorer, score, score_many
from naslib_gennas.scoring.store import Store

__all__ = ["Place", "Pool", "Record", "Scorer", "Store", "score", "score_many"]
