"""A recurrent network as the language model of NAS-Bench-NLP, for measures that need class scores; no text."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import nn

from naslib_gennas.networks.staged import StagedNetwork
from naslib_gennas.randomness import generator

#: Sequences, their length, and words of the vocabulary: each less than the benchmark has, for the sake of cost.
SEQUENCES, LENGTH, WORDS = 16, 16, 1000
# The benchmark's embeddings start uniformly in +-0.1.
BOUND = 0.1


class LanguageModel(StagedNetwork):
    """Scores of the next word at every place of sequences of embedded words: encoder and decoder share one table.

    The table is no parameter: it is the same for every architecture. The network is in evaluation mode, without
    dropout, and its matrices between nodes are trained, which regression leaves as they are.
    """

    table: torch.Tensor

    def __init__(self, network: StagedNetwork, seed: int) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(True)
        shape = (WORDS, network.stage_channels[0])
        table = torch.empty(shape).uniform_(-BOUND, BOUND, generator=generator(seed, "words"))
        self.register_buffer("table", table.to(next(network.parameters())))

    @property
    def stage_channels(self) -> List[int]:
        return self.network.stage_channels

    def forward(self, x: torch.Tensor) -> List[torch.Tensor]:
        return self.network(x)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """(length, batch, embedding) -> (length * batch, words)."""
        return F.linear(self.network(x)[-1].flatten(0, 1), self.table)


class WordModel(nn.Module):
    """The benchmark's language model: words (length, sequences) to scores of the next one (length, sequences, words).

    Encoder and decoder share one table, and all matrices of the network are trained.

    Args:
        network: takes and gives (length, sequences, embedding).
        words: of the vocabulary.
        built_from: the name of the search space and the architecture that the network was built from.
    """

    def __init__(self, network: StagedNetwork, words: int, built_from: Optional[Tuple[str, Any]] = None) -> None:
        super().__init__()
        self.network = network.requires_grad_(True)
        self.encoder = nn.Embedding(words, network.stage_channels[0])
        nn.init.uniform_(self.encoder.weight, -BOUND, BOUND)
        self.bias = nn.Parameter(torch.zeros(words))
        self.built_from = built_from

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return F.linear(self.network(self.encoder(words))[-1], self.encoder.weight, self.bias)


def with_words(network: StagedNetwork, seed: int) -> Tuple[LanguageModel, torch.Tensor]:
    """The network as a language model, and a batch of random words for it: (length, sequences, embedding)."""
    model = LanguageModel(network, seed)
    words = torch.randint(WORDS, (LENGTH, SEQUENCES), generator=generator(seed, "text"))
    return model, model.table[words.to(model.table.device)]
