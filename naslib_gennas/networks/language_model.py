"""A recurrent network as the language model of NAS-Bench-NLP, for measures that need class scores; no text."""

from __future__ import annotations

from typing import List, Tuple

import torch
import torch.nn.functional as F

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


def with_words(network: StagedNetwork, seed: int) -> Tuple[LanguageModel, torch.Tensor]:
    """The network as a language model, and a batch of random words for it: (length, sequences, embedding)."""
    model = LanguageModel(network, seed)
    words = torch.randint(WORDS, (LENGTH, SEQUENCES), generator=generator(seed, "text"))
    return model, model.table[words.to(model.table.device)]
