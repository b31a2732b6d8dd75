"""Pages give each wanted point once, split no row, and fit into a message."""

import itertools
from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.history import block_layout
from services.operations.history.answer import ANSWER_BYTES, encoded
from services.operations.history.blocks import tables_of_blocks
from services.operations.history.journal import Journal
from services.operations.history.page import Page
from services.operations.history.selection import Selection
from services.operations.history.tables import Table
from tests.support.metric_blocks import (
    ROWS,
    Point,
    Row,
    block_of_rows,
    points_of_answer,
    points_of_rows,
    step_of,
)


def answer_of(page: Page, *, raw_rows: bool) -> pb.QueryMetricsResponse:
    return pb.QueryMetricsResponse.FromString(encoded(page.points, pb.QueryMetricsResponse(), raw_rows))


JOURNALS = (Journal("op", 1, 0, "x"), Journal("op", 1, 3, "y"))


def wanted(point: Point, selection: Selection) -> bool:
    _, name, seq, step, _, _ = point
    return (
        (not selection.names or name in selection.names)
        and selection.first_seq <= seq < (2**63 if selection.end_seq is None else selection.end_seq)
        and (-(2**63) if selection.from_step is None else selection.from_step) <= step
        and step <= (2**63 if selection.to_step is None else selection.to_step)
    )


SELECTIONS = st.builds(
    Selection,
    st.sampled_from([frozenset(), frozenset("a"), frozenset("bc")]),
    st.sampled_from([0, 0, 3, 11]),
    st.sampled_from([None, None, 4, 20]),
    st.sampled_from([None, None, -1, 4]),
    st.sampled_from([None, None, 0, 9]),
)


def blocks_of(histories: list[list[Row]], size: int, *, merged: bool) -> Iterator[tuple[Journal, int, bytes]]:
    """Yield journal, last sequence number and content of each block."""
    for journal, rows in zip(JOURNALS, histories, strict=True):
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            if any(part):
                data = block_of_rows(part, first_seq=start)
                data = block_layout.encode(tables_of_blocks([data])) if merged else data
                yield journal, start + len(part) - 1, data


def fill(
    page: Page, blocks: list[tuple[Journal, int, bytes]], selection: Selection, ordinal: int, seq: int
) -> tuple[int, int] | None:
    """Fill a page from a place on; return the place of the next page."""
    for journal, found in itertools.groupby(blocks, key=lambda block: block[0]):
        if journal.ordinal >= ordinal:
            page.begin(journal, max(selection.first_seq, seq if journal.ordinal == ordinal else 0))
            for _, last, data in found:
                if last >= page.seq:
                    page.add([data], last)
                    if page.full:
                        return journal.ordinal, page.seq
    return None


@settings(deadline=None)
@given(
    st.lists(ROWS, min_size=2, max_size=2),
    st.integers(1, 7),
    st.integers(1, 5),
    SELECTIONS,
    st.booleans(),
    st.booleans(),
)
def test_pages_give_each_wanted_point_once_and_split_no_row(
    histories: list[list[Row]], size: int, room: int, selection: Selection, raw_rows: bool, merged: bool
) -> None:
    blocks = list(blocks_of(histories, size, merged=merged))
    pages: list[list[Point]] = []
    place: tuple[int, int] | None = (0, 0)
    while place is not None:
        page = Page(selection, room, raw_rows=raw_rows)
        place = fill(page, blocks, selection, *place)
        points = points_of_answer(answer_of(page, raw_rows=raw_rows))
        assert len(points) <= room or len({(point[0], point[2]) for point in points}) == 1
        pages.append(points)
    told = [point for page in pages for point in page]
    every = [
        point
        for journal, rows in zip(JOURNALS, histories, strict=True)
        for point in points_of_rows(rows, journal.incarnation)
    ]
    assert sorted(told) == sorted(point for point in every if wanted(point, selection))
    for one, other in itertools.pairwise(pages):
        assert not {(point[0], point[2]) for point in one} & {(point[0], point[2]) for point in other}


def test_a_page_ends_where_a_message_would_grow_too_large() -> None:
    count = 150_000
    far = np.arange(count, dtype=np.int64) * 2 + 2**55
    table = Table(("a",), far, far, far, (np.zeros(count),))
    for raw_rows in (False, True):
        page = Page(Selection(), 10**9, raw_rows=raw_rows)
        page.begin(JOURNALS[0], 0)
        page.add([block_layout.encode([table])], int(far[-1]))
        assert page.full
        answer = answer_of(page, raw_rows=raw_rows)
        assert ANSWER_BYTES * 0.9 < answer.ByteSize() < 4 * 2**20
        assert page.seq - points_of_answer(answer)[-1][2] == 2


def test_rows_of_each_set_of_series_come_together() -> None:
    rows: list[Row] = [{"a": 1.0, "b": 2.0}, {"a": 3.0}, {"a": 4.0, "b": 5.0}, {"c": 6.0}]
    page = Page(Selection(), 100, raw_rows=True)
    page.begin(JOURNALS[0], 0)
    page.add([block_of_rows(rows, first_seq=5)], 8)
    answer = answer_of(page, raw_rows=True)
    assert [(list(one.rows.names), one.rows.row_count) for one in answer.series] == [
        (["a", "b"], 2),
        (["a"], 1),
        (["c"], 1),
    ]
    assert not any(one.HasField("points") for one in answer.series)
    layout = np.dtype([("seq", "<u8"), ("step", "<i8"), ("time", "<i8"), ("values", "<f8", (2,))])
    first = np.frombuffer(answer.series[0].rows.data, layout)
    assert first["seq"].tolist() == [5, 7]
    assert first["step"].tolist() == [step_of(5), step_of(7)]
    assert first["values"].tolist() == [[1.0, 2.0], [4.0, 5.0]]


def test_an_answer_without_points_is_empty() -> None:
    assert answer_of(Page(Selection(), 1, raw_rows=False), raw_rows=False) == pb.QueryMetricsResponse()
