"""Whether a column of a table is better when it is higher or lower, read from the words of its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Sequence

#: Whole words that say that lower is better.
LOWER = frozenset(
    """
    loss losses error errors err errs regret gap risk cost penalty rank
    mistakes misclassification misclassifications misclassified incorrect wrong degradation deterioration
    falsepositive falsepositives falsenegative falsenegatives
    std stddev sem
    mae mse rmse nmse nrmse msle rmsle mape smape mase rmsd sse epe mpjpe ade fde
    nll ce bce xent entropy crossentropy kl kld divergence distance brier ece aic bic
    perplexity perplexities ppl bpc bpd bpw bpb
    wer cer per mer ter der ser eer fnr fpr fdr miss misses failures
    fid kid lpips chamfer hausdorff
    latency latencies lat time times runtime duration delay energy memory
    ms milliseconds sec secs seconds minutes hours
    """.split()
) | {"bits per"}
#: Whole words that say that higher is better. Not among them: top1 and top5, which some write for the error;
#: parameters and FLOPs, which describe a network and do not judge it.
HIGHER = frozenset(
    """
    acc accs accuracy accuracies precision recall sensitivity specificity f1 auc auroc auprc ap map
    iou miou dice jaccard psnr ssim bleu rouge meteor cider r2 score scores reward rewards return returns
    likelihood kappa mcc tpr tnr chrf rsquared explainedvariance
    correlation pearson spearman kendall rho tau throughput fps ndcg mrr hit hits
    win wins success fitness quality performance similarity nmi ari
    """.split()
)
#: These say nothing beside a word of `HIGHER`: rank correlation, accuracy after 12 hours.
_WEAK = frozenset("rank ms milliseconds sec secs seconds minutes hours time".split())
#: Turn the word that follows round: neg_mean_squared_error, one_minus_accuracy.
_NEGATIONS = frozenset("neg negative negated minus inv inverse reciprocal".split())
#: Turn the word before them round: accuracy drop, error reduction.
_FALLS = frozenset("drop drops decrease decline reduction".split())
#: May stand before a word without a gap: valloss, testacc.
_PREFIXES = ("validation", "valid", "val", "training", "train", "test", "dev", "eval", "log")
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
    fall = _fall(words, words.index(word))
    turned = bool(negation) != bool(fall)
    return Direction(turned == bool(lower), "name", f"{negation} {word} {fall}".strip())


def _fall(words: Sequence[str], at: int) -> str:
    """The word that says that the one `at` falls: "accuracy drop", "drop in accuracy"; not "acc, drop path 0.2"."""
    words = words[: len(words) // 2 + 1]  # the other half are neighbours as one
    before, after = words[max(at - 2, 0) : at], words[at + 1 : at + 3]
    if before[1:] and before[0] in _FALLS and before[1] in ("in", "of"):
        return before[0]
    return after[0] if after and after[0] in _FALLS and set(after[1:]) <= _SPLITS else ""


def _words(column: str) -> List[str]:
    """The words of a name in lower case, then each two neighbours as one: cross entropy, run time, f1."""
    named = re.sub(r"^\s*(1\s*)?[-\u2212]\s*(?=\w)", "minus_", _A_SECOND.sub("_per_", column))
    named = re.sub(r"^\s*1\s*/\s*", "inverse_", named)
    words = [part for word in _WORD.findall(named) for part in _parted(word.lower())]
    bits = any(pair in (("bit", "per"), ("bits", "per")) for pair in zip(words, words[1:]))
    kept: List[str] = []
    skip = False
    for index, word in enumerate(words):
        following = [other for other in words[index + 1 :] if not other.isdigit()]
        if skip:
            skip = False
        elif words[index + 1 : index + 2] == ["free"]:
            skip = True  # "error-free"
        elif word == "per" and not set(following) <= _SPLITS:
            skip = True  # "accuracy per class": neither of the two says anything of the accuracy
        else:
            kept.append(word)
    return kept + [a + b for a, b in zip(kept, kept[1:])] + ["bits per"] * bits


def _parted(word: str) -> List[str]:
    """valloss: val, loss. What is no known word behind the first part stays whole: training, values."""
    if word in LOWER | HIGHER:
        return [word]
    for prefix in _PREFIXES:
        if word.startswith(prefix) and word[len(prefix) :] in LOWER | HIGHER:
            return [prefix, word[len(prefix) :]]
    return [word]
