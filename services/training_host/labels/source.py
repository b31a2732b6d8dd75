"""From the strategy's words to labels."""

from services.training_host.bars.series import Bars
from services.training_host.labels.forward_return import forward_return
from services.training_host.labels.series import BarLabels
from services.training_host.labels.triple_barrier import triple_barrier
from services.training_host.labels.zigzag import zigzag
from services.training_host.strategy.labels import ForwardReturnLabels, TripleBarrierLabels, ZigzagLabels


def make_labels(labels: ForwardReturnLabels | ZigzagLabels | TripleBarrierLabels, bars: Bars) -> BarLabels:
    """Label the bars of one symbol the way a strategy asks for."""
    match labels:
        case ForwardReturnLabels():
            return forward_return(bars.close, horizon=labels.horizon, threshold=labels.threshold)
        case ZigzagLabels():
            return zigzag(bars.close, threshold=labels.threshold)
        case TripleBarrierLabels():
            return triple_barrier(
                bars,
                upper_atr=labels.upper_atr,
                lower_atr=labels.lower_atr,
                max_bars=labels.max_bars,
                atr_period=labels.atr_period,
            )
