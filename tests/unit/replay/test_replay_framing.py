"""Frames on the wire."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ib_host.replay.framing import MAX_INBOUND_BYTES, FramingError, encode_frame, read_frame

FIELDS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\\"), max_size=20), min_size=1, max_size=8)


async def read(data: bytes) -> tuple[str, ...] | None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read_frame(reader)


@given(FIELDS)
@settings(max_examples=50)
def test_fields_arrive_as_they_were_sent(fields: list[str]) -> None:
    received = asyncio.run(read(encode_frame(fields)))
    assert received is not None
    unescaped = [
        field.encode("ascii").decode("unicode-escape").encode("utf-16", "surrogatepass").decode("utf-16")
        for field in received
    ]
    assert unescaped == fields


def test_text_beyond_ascii_travels_as_escapes() -> None:
    assert encode_frame(["Société", "1"]) == b"\0\0\0\x14Soci\\u00e9t\\u00e9\0" + b"1\0"


@pytest.mark.parametrize("part", [b"", b"\0\0", b"\0\0\0\5", b"\0\0\0\5ab\0"])
async def test_the_end_of_the_stream_is_the_end_even_inside_a_frame(part: bytes) -> None:
    assert await read(part) is None


async def test_a_length_beyond_reason_is_refused() -> None:
    with pytest.raises(FramingError, match="bytes"):
        await read((MAX_INBOUND_BYTES + 1).to_bytes(4, "big") + b"x")


@pytest.mark.parametrize("payload", [b"", b"71"])
async def test_a_frame_that_does_not_end_in_nul_is_refused(payload: bytes) -> None:
    with pytest.raises(FramingError, match="NUL"):
        await read(len(payload).to_bytes(4, "big") + payload)
