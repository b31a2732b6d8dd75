"""Networks that read the last bars in their order."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


class RecurrentStack(nn.Module):
    """Recurrent layers of different sizes; the newest bar's state of the last one goes to the output layer.

    Torch's own stacked layers all have one size, so each layer is a module of its own here.

    Args:
        layer: `nn.LSTM` (Hochreiter and Schmidhuber 1997) or `nn.GRU` (Cho et al. 2014).
        inputs: Inputs of each bar.
        units: Units of each layer, from the inputs on.
        outputs: Numbers that it answers with.
        dropout: Share of units that are left out at random after each layer while training.
        activation: Function between the last state and the output layer.
    """

    def __init__(
        self,
        layer: type[nn.LSTM] | type[nn.GRU],
        *,
        inputs: int,
        units: Sequence[int],
        outputs: int,
        dropout: float,
        activation: nn.Module,
    ) -> None:
        super().__init__()
        self.recurrent = nn.ModuleList(
            layer(width, size, batch_first=True) for width, size in pairwise([inputs, *units])
        )
        # Left out where it would do nothing: each call of a module costs time, however little it does.
        self.dropout = nn.Dropout(dropout) if dropout > 0 else None
        self.activation = activation
        self.output = nn.Linear(units[-1], outputs)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Answer for windows, float32 [samples, bars, inputs], oldest bar first: float32 [samples, outputs]."""
        states = windows
        for number, layer in enumerate(self.recurrent):
            if number and self.dropout is not None:
                states = self.dropout(states)
            states, final = layer(states)
        # Shorter backwards than by way of the last one of all states; an LSTM gives its cells beside it.
        (newest,) = final[0] if isinstance(final, tuple) else final
        # Dropout comes after the activation, as not every activation leaves zeros alone.
        newest = self.activation(newest)
        if self.dropout is not None:
            newest = self.dropout(newest)
        answers: torch.Tensor = self.output(newest)
        return answers
