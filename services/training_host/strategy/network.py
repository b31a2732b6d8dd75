"""The network and what its answer means."""

from typing import Annotated, Literal

from pydantic import Field

from services.training_host.strategy.model import StrategyModel

Neurons = Annotated[int, Field(ge=1, le=8_192)]
Activation = Literal["relu", "tanh", "gelu", "silu", "leaky_relu", "sigmoid"]


class Perceptron(StrategyModel):
    """Shape of a multi-layer perceptron.

    Attributes:
        hidden_layers: Neurons of each hidden layer, from the inputs on.
        dropout: Share of neurons that are left out at random while training.
        activation: Function after each hidden layer.
    """

    hidden_layers: Annotated[list[Neurons], Field(min_length=1, max_length=16)]
    dropout: float = Field(default=0.0, ge=0, lt=1)
    activation: Activation = "relu"


class Recurrence(StrategyModel):
    """Shape of a recurrent network, which reads the inputs of the last bars in their order.

    Attributes:
        hidden_layers: Units of each recurrent layer, from the inputs on.
        sequence_length: Bars that are read for each answer, the newest included.
        dropout: Share of units that are left out at random after each recurrent layer while training.
        activation: Function between the last recurrent layer's state at the newest bar and the output layer.
    """

    hidden_layers: Annotated[list[Neurons], Field(min_length=1, max_length=8)]
    sequence_length: int = Field(ge=2, le=1_000)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    activation: Activation = "tanh"


class MlpNetwork(StrategyModel):
    """A multi-layer perceptron.

    Attributes:
        type: `mlp`.
        architecture: Its shape.
    """

    type: Literal["mlp"]
    architecture: Perceptron

    @property
    def sequence_length(self) -> int:
        """Bars that are read for each answer."""
        return 1


class RecurrentNetwork(StrategyModel):
    """A recurrent network.

    Attributes:
        type: `lstm` or `gru`.
        architecture: Its shape.
    """

    type: Literal["lstm", "gru"]
    architecture: Recurrence

    @property
    def sequence_length(self) -> int:
        """Bars that are read for each answer."""
        return self.architecture.sequence_length


Network = Annotated[MlpNetwork | RecurrentNetwork, Field(discriminator="type")]


class ClassDecisions(StrategyModel):
    """The network answers with a probability for each class.

    Attributes:
        output_format: `classification`.
        confidence_threshold: Probability from which on an answer counts as a decision; evaluation tells how often
            that is and how often it is right, and the backtest holds a position while there is one.
    """

    output_format: Literal["classification"]
    confidence_threshold: float = Field(default=0.5, ge=0, lt=1)


class ReturnDecisions(StrategyModel):
    """The network answers with the return that it expects.

    Attributes:
        output_format: `regression`.
        return_threshold: Expected return (0.01 is 1 %) from which on an answer counts as a decision to be long, and
            below whose negative as one to be short.
    """

    output_format: Literal["regression"]
    return_threshold: float = Field(default=0.0, ge=0, lt=1)


Decisions = Annotated[ClassDecisions | ReturnDecisions, Field(discriminator="output_format")]
