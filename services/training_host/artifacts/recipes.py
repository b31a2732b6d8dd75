"""The steps of every indicator."""

from typing import Any, Final

from services.training_host.artifacts.recipe import Step, rule, spelled_out, talib
from services.training_host.indicators.definition import IndicatorDefinition

_RANGE: Final = "high low close"
_CHANNEL_WIDTH: Final = rule("width", "upper lower middle", "width")


def _with_distance(average: Step) -> list[Step]:
    return [average, rule("distance", f"close {average.outputs[0]}", "distance")]


def _average(function: str, name: str) -> list[Step]:
    return _with_distance(*_of_close(function, name))


def _of_close(function: str, name: str) -> list[Step]:
    return [talib(function, "close", name, timeperiod="period")]


def _of_range(function: str, name: str) -> list[Step]:
    return [talib(function, _RANGE, name, timeperiod="period")]


def _fast_slow(function: str, name: str) -> list[Step]:
    return [talib(function, "close", name, fastperiod="fast", slowperiod="slow", matype="average")]


STEPS: Final[dict[str, list[Step]]] = {
    "sma": _average("SMA", "sma"),
    "ema": _average("EMA", "ema"),
    "wma": _average("WMA", "wma"),
    "dema": _average("DEMA", "dema"),
    "tema": _average("TEMA", "tema"),
    "trima": _average("TRIMA", "trima"),
    "kama": _average("KAMA", "kama"),
    "t3": _with_distance(talib("T3", "close", "t3", timeperiod="period", vfactor="factor")),
    "midpoint": _average("MIDPOINT", "midpoint"),
    "rsi": _of_close("RSI", "rsi"),
    "cmo": _of_close("CMO", "cmo"),
    "stoch": [
        talib(
            "STOCH", _RANGE, "k d", fastk_period="period", slowk_period="smoothing", slowk_matype=0,
            slowd_period="signal", slowd_matype=0,
        ),
    ],
    "stochf": [talib("STOCHF", _RANGE, "k d", fastk_period="period", fastd_period="signal", fastd_matype=0)],
    "stochrsi": [
        talib(
            "STOCHRSI", "close", "k d", timeperiod="period", fastk_period="range_period", fastd_period="signal",
            fastd_matype=0,
        ),
    ],
    "willr": _of_range("WILLR", "willr"),
    "ultosc": [talib("ULTOSC", _RANGE, "ultosc", timeperiod1="fast", timeperiod2="medium", timeperiod3="slow")],
    "cci": _of_range("CCI", "cci"),
    "bop": [talib("BOP", "open high low close", "bop")],
    "macd": [
        talib(
            "MACD", "close", "macd signal histogram", fastperiod="fast", slowperiod="slow", signalperiod="signal"
        ),
        rule("percent", "histogram close", "histogram_percent"),
    ],
    "ppo": _fast_slow("PPO", "ppo"),
    "apo": _fast_slow("APO", "apo"),
    "roc": _of_close("ROC", "roc"),
    "mom": _of_close("MOM", "mom"),
    "trix": _of_close("TRIX", "trix"),
    "adx": _of_range("ADX", "adx"),
    "dx": _of_range("DX", "dx"),
    "di": [*_of_range("PLUS_DI", "plus"), *_of_range("MINUS_DI", "minus")],
    "aroon": [talib("AROON", "high low", "down up", timeperiod="period")],
    "aroonosc": [talib("AROONOSC", "high low", "aroonosc", timeperiod="period")],
    "sar": [
        talib("SAR", "high low", "sar", acceleration="acceleration", maximum="maximum"),
        rule("distance", "close sar", "distance"),
    ],
    "linearreg_slope": [*_of_close("LINEARREG_SLOPE", "slope"), rule("percent", "slope close", "percent")],
    "linearreg_angle": _of_close("LINEARREG_ANGLE", "linearreg_angle"),
    "bbands": [
        talib(
            "BBANDS", "close", "upper middle lower", timeperiod="period", nbdevup="deviations", nbdevdn="deviations",
            matype=0,
        ),
        rule("place", "close lower upper", "percent_b"),
        _CHANNEL_WIDTH,
    ],
    "donchian": [
        talib("MAX", "high", "upper", timeperiod="period"),
        talib("MIN", "low", "lower", timeperiod="period"),
        rule("middle", "upper lower", "middle"),
        rule("place", "close lower upper", "position"),
        _CHANNEL_WIDTH,
    ],
    "keltner": [
        talib("EMA", "close", "average", timeperiod="period"),
        rule("without_first", "average", "middle", count="period"),
        *_of_range("ATR", "range"),
        rule("sum", "middle range", "upper", factor="ranges"),
        rule("difference", "middle range", "lower", factor="ranges"),
        rule("place", "close lower upper", "position"),
        _CHANNEL_WIDTH,
    ],
    "trange": [talib("TRANGE", _RANGE, "trange"), rule("percent", "trange close", "percent")],
    "atr": _of_range("ATR", "atr"),
    "natr": _of_range("NATR", "natr"),
    "stddev": [*_of_close("STDDEV", "stddev"), rule("percent", "stddev close", "percent")],
    "obv": [talib("OBV", "close volume", "obv")],
    "ad": [talib("AD", f"{_RANGE} volume", "ad")],
    "adosc": [talib("ADOSC", f"{_RANGE} volume", "adosc", fastperiod="fast", slowperiod="slow")],
    "mfi": [talib("MFI", f"{_RANGE} volume", "mfi", timeperiod="period")],
    "volume_ratio": [
        talib("SMA", "volume", "average", timeperiod="period"),
        rule("ratio", "volume average", "volume_ratio"),
    ],
    "ht_trendline": _with_distance(talib("HT_TRENDLINE", "close", "trendline")),
    "ht_sine": [talib("HT_SINE", "close", "sine lead")],
    "ht_dcperiod": [talib("HT_DCPERIOD", "close", "ht_dcperiod")],
}  # fmt: skip
"""By the `type` of the indicator."""


def recipe(indicator: IndicatorDefinition) -> list[dict[str, Any]]:
    """Return the steps that compute an indicator, in order, as JSON values."""
    return [spelled_out(step, indicator) for step in STEPS[indicator.type]]
