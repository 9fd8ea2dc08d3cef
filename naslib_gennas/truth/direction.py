"""Whether a column of a table is better when it is higher or lower, read from the words of its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional

#: Whole words that say that lower is better.
LOWER = frozenset(
    """
    loss losses error errors err errs regret gap risk cost penalty rank
    mae mse rmse nmse nrmse msle rmsle mape smape mase rmsd sse epe mpjpe ade fde
    nll ce bce xent entropy crossentropy kl kld divergence distance brier ece aic bic
    perplexity perplexities ppl bpc bpd bpw bpb
    wer cer per mer ter der ser eer fnr fpr miss misses failures
    fid kid lpips chamfer hausdorff
    latency latencies time times runtime duration delay energy memory
    ms milliseconds sec secs seconds minutes hours
    """.split()
) | {"bits per"}
#: Whole words that say that higher is better. Not among them: top1 and top5, which some write for the error;
#: parameters and FLOPs, which describe a network and do not judge it.
HIGHER = frozenset(
    """
    acc accs accuracy accuracies precision recall sensitivity specificity f1 auc auroc auprc ap map
    iou miou dice jaccard psnr ssim bleu rouge meteor cider r2 score scores reward rewards return returns
    likelihood kappa mcc correlation pearson spearman kendall rho tau throughput fps ndcg mrr hits
    win wins success fitness quality performance similarity nmi ari
    """.split()
)
#: These say nothing beside a word of `HIGHER`: rank correlation, accuracy after 12 hours.
_WEAK = frozenset("rank ms milliseconds sec secs seconds minutes hours time".split())
#: Turn the word that follows round: neg_mean_squared_error, one_minus_accuracy.
_NEGATIONS = frozenset("neg negative negated minus inverse reciprocal".split())
#: What may follow the phoneme error rate; before any other word "per" is a preposition.
_SPLITS = frozenset(
    "train training val valid validation test testing dev eval best final last mean avg min clean other".split()
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_A_SECOND = re.compile(r"/\s*(?=(s|sec|secs|second|seconds|ms|min|h|hour)\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Direction:
    """Which values of a column are the better ones, and how that was decided.

    Attributes:
        higher_is_better: False for losses and the like.
        decided: "asked" by the caller, "name" (`word` in the column's name says so), or "assumed": the name does not
            say, so higher is taken to be better.
        word: the word of the name; empty where none decided.
    """

    higher_is_better: bool
    decided: str
    word: str = ""

    def __str__(self) -> str:
        better = f"{'higher' if self.higher_is_better else 'lower'} is better"
        why = {"asked": "as asked", "name": f"'{self.word}' in its name", "assumed": "assumed, its name does not say"}
        return f"{better}: {why[self.decided]}"


def of(column: str, higher_is_better: Optional[bool] = None) -> Direction:
    """The direction of a column: as asked, else as the words of its name say.

    Names are split at punctuation, digits and capitals: ``val/loss``, ``valLoss``, ``test_MSE`` and ``top1-err`` are
    all lower-is-better, ``lossless_acc`` is not. Where words of both kinds occur, a loss or an error decides.

    >>> of("valLoss").higher_is_better, of("acc_per_class").higher_is_better, of("phones").decided
    (False, True, 'assumed')
    """
    if higher_is_better is not None:
        return Direction(higher_is_better, "asked")
    words = _words(column)
    lower = [word for word in words if word in LOWER]
    higher = [word for word in words if word in HIGHER]
    if higher and set(lower) <= _WEAK:
        lower = []
    if not lower and not higher:
        return Direction(True, "assumed")
    word = (lower or higher)[0]
    negation = next((other for other in words[: words.index(word)] if other in _NEGATIONS), "")
    return Direction(bool(negation) == bool(lower), "name", f"{negation} {word}".strip())


def _words(column: str) -> List[str]:
    """The words of a name in lower case, then each two neighbours as one: cross entropy, run time, f1."""
    named = re.sub(r"^\s*1\s*-\s*", "minus_", _A_SECOND.sub("_per_", column))
    words = [word.lower() for word in _WORD.findall(named)]
    bits = any(pair in (("bit", "per"), ("bits", "per")) for pair in zip(words, words[1:]))
    kept: List[str] = []
    skip = False
    for index, word in enumerate(words):
        following = [other for other in words[index + 1 :] if not other.isdigit()]
        if skip:
            skip = False
        elif word == "per" and not set(following) <= _SPLITS:
            skip = True  # "accuracy per class": neither of the two says anything of the accuracy
        else:
            kept.append(word)
    return kept + [a + b for a, b in zip(kept, kept[1:])] + ["bits per"] * bits
