"""One protobuf message for each bar: what a contract without Arrow would have. For stream_bars only."""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE: Final = "benchmark.BarMessages"
METHOD: Final = "Stream"
_DOUBLES: Final = ("open", "high", "low", "close", "volume", "wap")
_FIELD: Final = descriptor_pb2.FieldDescriptorProto


def _message_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="benchmark/bars.proto", package="benchmark", syntax="proto3")
    bar = file.message_type.add(name="Bar")
    fields = [
        ("time", _FIELD.TYPE_INT64),
        *((name, _FIELD.TYPE_DOUBLE) for name in _DOUBLES),
        ("count", _FIELD.TYPE_INT64),
    ]
    for number, (name, kind) in enumerate(fields, 1):
        bar.field.add(name=name, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)
    bars = file.message_type.add(name="Bars")
    bars.field.add(
        name="bars", number=1, type=_FIELD.TYPE_MESSAGE, type_name=".benchmark.Bar", label=_FIELD.LABEL_REPEATED
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("benchmark.Bars"))


Bars: Final = _message_class()
