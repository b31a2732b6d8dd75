"""The network and what its answer means."""

from typing import Annotated, Literal

from pydantic import Field

from services.training_host.strategy.model import StrategyModel


class Architecture(StrategyModel):
    """Shape of a multi-layer perceptron.

    Attributes:
        hidden_layers: Neurons of each hidden layer, from the inputs on.
        dropout: Share of neurons that are left out at random while training.
        activation: Function after each hidden layer.
    """

    hidden_layers: Annotated[list[Annotated[int, Field(ge=1, le=8_192)]], Field(min_length=1, max_length=16)]
    dropout: float = Field(default=0.0, ge=0, lt=1)
    activation: Literal["relu", "tanh", "gelu", "silu", "leaky_relu", "sigmoid"] = "relu"


class Network(StrategyModel):
    """The network.

    Attributes:
        type: Kind of network.
        architecture: Its shape.
    """

    type: Literal["mlp"]
    architecture: Architecture


class Decisions(StrategyModel):
    """How the network's answer is read.

    Attributes:
        output_format: The network answers with a probability for each class.
        confidence_threshold: Probability from which on an answer counts as a decision; evaluation tells how often
            that is and how often it is right.
    """

    output_format: Literal["classification"]
    confidence_threshold: float = Field(default=0.5, ge=0, lt=1)
