"""Which datasets an operation read or left, over its attempts."""

from ktrdr.host.v1.session_pb2 import DatasetUse
from ktrdr.ib.v1 import bars_pb2, ib_pb2
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.lineage.datasets import add_inputs, datasets_left, datasets_read, use_rows, version_rows


def result(*fingerprints: str) -> ib_pb2.DataLoadResult:
    loads = [ib_pb2.InstrumentLoad(dataset=bars_pb2.Dataset(fingerprint=one)) for one in fingerprints]
    return ib_pb2.DataLoadResult(loads=loads)


def test_inputs_are_added_once_and_tell_the_latest_number_of_bars() -> None:
    record = pb.Operation(id="o")
    one, two = DatasetUse(fingerprint="f1", name="A", bars=3), DatasetUse(fingerprint="f2", name="B", bars=4)
    assert add_inputs(record, [one])
    assert not add_inputs(record, [one])
    record.inputs[0].data_operation_ids.append("load")
    assert add_inputs(record, [DatasetUse(fingerprint="f1", name="A", bars=5), two])

    assert datasets_read(record) == ["f1", "f2"]
    assert [each.dataset.bars for each in record.inputs] == [5, 4]
    assert list(record.inputs[0].data_operation_ids) == ["load"]
    assert use_rows(record) == [
        {"fingerprint": "f1", "operation_id": "o"},
        {"fingerprint": "f2", "operation_id": "o"},
    ]


def test_what_a_load_left_counts_over_all_its_attempts_and_each_dataset_once() -> None:
    record = pb.Operation(id="o", data_load_result=result("b", "", "c"))
    record.past_attempts.add(data_load_result=result("a"))
    record.past_attempts.add(data_load_result=result("b", "d"))

    assert datasets_left(record) == ["b", "c", "d", "a"]
    assert {row["fingerprint"] for row in version_rows(record)} == {"a", "b", "c", "d"}
    assert version_rows(pb.Operation(id="o")) == []
