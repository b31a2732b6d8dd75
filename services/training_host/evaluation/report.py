"""What an evaluation tells."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A network on some samples.

    Attributes:
        samples: How many.
        accuracy: Share of right answers, 0 to 1; of a regression, of answers with the right sign.
        majority_accuracy: What always answering the most frequent class would score; of a regression, the more
            frequent sign.
        decided: Share of the answers that reach the strategy's threshold, and so are decisions.
        decided_accuracy: Share of the decisions that are right; None when there are none.
    """

    samples: int
    accuracy: float
    majority_accuracy: float
    decided: float
    decided_accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """How well one class is told from the others.

    Attributes:
        name: The class.
        samples: Samples of this class, its support.
        precision: Share of the answers with this class that are right; 0 when there are none.
        recall: Share of its samples that are found; 0 when there are none.
        f1: Harmonic mean of the two.
    """

    name: str
    samples: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, kw_only=True)
class ClassEvaluation(Evaluation):
    """A network that answers with classes.

    Attributes:
        balanced_accuracy: Mean recall of the classes that have samples: what always giving the same answer cannot
            raise above one share of them.
        majority_class: Name of the most frequent class.
        classes: Each class by itself, in the order of the network's outputs.
        confusion: Rows are true classes, columns the network's answers.
        calibration_error: Expected calibration error, 0 to 1.
        brier_score: Brier score over all classes, 0 to 2.
    """

    balanced_accuracy: float
    majority_class: str
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    calibration_error: float
    brier_score: float


@dataclass(frozen=True, kw_only=True)
class ReturnEvaluation(Evaluation):
    """A network that answers with the return it expects.

    Attributes:
        mean_absolute_error: As a return, 0.01 for 1 %.
        root_mean_squared_error: As a return.
        r_squared: Share of the squared distances to the training part's mean that the network explains; below 0 when
            it does worse than that mean. None when all returns are equal.
    """

    mean_absolute_error: float
    root_mean_squared_error: float
    r_squared: float | None
