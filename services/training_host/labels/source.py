"""From the strategy's words to labels."""

from services.training_host.bars.series import Bars
from services.training_host.labels.forward_return import forward_return
from services.training_host.labels.series import LabelSeries
from services.training_host.labels.zigzag import zigzag
from services.training_host.strategy.training import ForwardReturnLabels, ZigzagLabels


def make_labels(labels: ForwardReturnLabels | ZigzagLabels, bars: Bars) -> LabelSeries:
    """Label bars the way a strategy asks for."""
    if isinstance(labels, ForwardReturnLabels):
        return forward_return(bars.close, horizon=labels.horizon, threshold=labels.threshold)
    return zigzag(bars.close, threshold=labels.threshold)
