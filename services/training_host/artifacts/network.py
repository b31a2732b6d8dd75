"""The network, so that it can be built again from its weights."""

from typing import Any, Final

from torch import nn

from services.training_host.dataset import Dataset, Fold
from services.training_host.loop.score import evaluation_size
from services.training_host.strategy.strategy import Strategy

_RECURRENT: Final[dict[type[nn.Module], str]] = {nn.GRU: "gru", nn.LSTM: "lstm"}
_ACTIVATIONS: Final[dict[type[nn.Module], dict[str, Any]]] = {
    nn.GELU: {"function": "gelu", "formula": "x · Φ(x), with Φ of the normal distribution, not its approximation"},
    nn.LeakyReLU: {"function": "leaky_relu", "formula": "x where x > 0, else 0.01 · x"},
    nn.ReLU: {"function": "relu", "formula": "max(0, x)"},
    nn.Sigmoid: {"function": "sigmoid", "formula": "1 / (1 + exp(-x))"},
    nn.SiLU: {"function": "silu", "formula": "x / (1 + exp(-x))"},
    nn.Tanh: {"function": "tanh", "formula": "tanh(x)"},
}
_RULES: Final = {
    "linear": "y = x · weightᵀ + bias",
    "gru": (
        "torch.nn.GRU(inputs, units, batch_first=True) from h = 0; gives h at each bar. With s the logistic function "
        "and · number by number: r = s(Wr x + br + Ur h + cr), z = s(Wz x + bz + Uz h + cz), "
        "n = tanh(Wn x + bn + r · (Un h + cn)), then h becomes (1 - z) · n + z · h. weight_ih_l0 is Wr, Wz, Wn one "
        "below the other; so are weight_hh_l0 (U), bias_ih_l0 (b) and bias_hh_l0 (c)"
    ),
    "lstm": (
        "torch.nn.LSTM(inputs, units, batch_first=True) from h = 0 and c = 0; gives h at each bar. With s the logistic "
        "function and · number by number: i = s(Wi x + bi + Ui h + di), f and o in the same way, "
        "g = tanh(Wg x + bg + Ug h + dg), then c becomes f · c + i · g, and h becomes o · tanh(c). weight_ih_l0 is Wi, "
        "Wf, Wg, Wo one below the other; so are weight_hh_l0 (U), bias_ih_l0 (b) and bias_hh_l0 (d)"
    ),
    "last_bar": "only the newest bar of each sequence goes on: y = x[:, -1]",
    "activation": "the function, number by number",
}


def network(strategy: Strategy, dataset: Dataset, fold: Fold, model: nn.Module) -> dict[str, Any]:
    """Describe layers in the order in which they are applied, with the names of their weights.

    Args:
        strategy: What the network is asked for.
        dataset: Its inputs.
        fold: Whose network is kept.
        model: The network. Its layers are registered in the order in which they are applied.
    """
    inputs, length = len(dataset.columns), dataset.sequence_length
    layers = _layers(model)
    return {
        "type": strategy.model.type,
        "inputs": inputs,
        "sequence_length": length,
        "input_shape": ["samples", inputs] if length == 1 else ["samples", length, inputs],
        "input_order": "as in features.json" + ("" if length == 1 else "; bars of a sequence from the oldest on"),
        "layers": layers,
        "rules": {kind: _RULES[kind] for kind in dict.fromkeys(layer["kind"] for layer in layers)},
        "dropout": strategy.model.architecture.dropout,
        "dropout_rule": "while training only; nothing is left out when the network is asked",
        "answer": _answer(strategy, fold.target_scale),
        "precision": "float32; which inputs are asked together changes the last bits of an answer",
        "asked_together": (
            f"for predictions.parquet: all rows of a fold, symbol after symbol as in features.json and by time within "
            f"each, at most {evaluation_size(model, length)} in one batch"
        ),
        "tensors": {
            name: {"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
            for name, tensor in model.state_dict().items()
        },
    }


def _layers(model: nn.Module) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = []
    for name, module in model.named_modules():
        if next(module.children(), None) is not None or isinstance(module, nn.Dropout):
            continue
        layer = _layer(name, module)
        if layers and layers[-1]["kind"] in _RECURRENT.values() and layer["kind"] not in _RECURRENT.values():
            layers.append({"kind": "last_bar"})
        layers.append(layer)
    return layers


def _layer(name: str, module: nn.Module) -> dict[str, Any]:
    tensors = {each: f"{name}.{each}" for each, _ in module.named_parameters()}
    if isinstance(module, nn.Linear):
        return {"kind": "linear", "inputs": module.in_features, "units": module.out_features, "tensors": tensors}
    if isinstance(module, nn.GRU | nn.LSTM):
        kind = _RECURRENT[type(module)]
        return {"kind": kind, "inputs": module.input_size, "units": module.hidden_size, "tensors": tensors}
    return {"kind": "activation", **_ACTIVATIONS[type(module)]}


def _answer(strategy: Strategy, target_scale: float) -> dict[str, Any]:
    if strategy.is_regression:
        horizon = strategy.training.labels.model_dump()["horizon"]
        return {
            "kind": "return",
            "target_scale": target_scale,
            "rule": f"output 0 · target_scale (in float32) is the expected return of the next {horizon} bars",
        }
    return {
        "kind": "classes",
        "classes": list(strategy.classes),
        "rule": "softmax over the outputs gives the probability of each class",
    }
