"""Text classifier over a bidirectional LSTM (Hochreiter & Schmidhuber, 1997, doi:10.1162/neco.1997.9.8.1735)."""

from __future__ import annotations

from torch import Tensor, nn

from compressor.models.registry import MODELS, InputSpec, takes

VOCABULARY = 64
TOKENS = 12


class LstmClassifier(nn.Module):
    """int64 tokens [N, 12] -> [N, classes]: embedding, two bidirectional layers, mean over time, linear."""

    def __init__(self, width: int = 24, hidden: int = 32, classes: int = 5) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.lstm = nn.LSTM(width, hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(tokens))
        logits: Tensor = self.head(states.mean(1))
        return logits


@MODELS.register("lstm")
@takes(InputSpec((TOKENS,), vocabulary=VOCABULARY))
def lstm() -> nn.Module:
    """Two layers of 32 hidden units a direction."""
    return LstmClassifier()
