"""Records of a JSON object and pictures: packed, and unpacked from any part of a stream."""

import struct

import pytest

from edge.preview.framing import pack, unpack

RECORDS = [({"a": 1}, []), ({"b": "ü"}, [b"first", b""]), ({}, [bytes(range(256))])]
STREAM = b"".join(pack(content, pictures) for content, pictures in RECORDS)


def test_record_is_two_lengths_json_and_pictures():
    data = pack({"a": 1}, [b"xy", b"z"])
    text = b'{"a":1,"pictures":[2,1]}'
    assert data == struct.pack(">II", len(text), 3) + text + b"xyz"


@pytest.mark.parametrize("size", [1, 7, 64, len(STREAM)])
def test_records_are_unpacked_whatever_the_size_of_the_parts(size):
    found, rest = [], b""
    for start in range(0, len(STREAM), size):
        records, rest = unpack(rest + STREAM[start : start + size])
        found += records
    assert rest == b""
    assert [
        ({key: value for key, value in content.items() if key != "pictures"}, pictures) for content, pictures in found
    ] == (RECORDS)


def test_incomplete_record_is_left_over():
    data = pack({"a": 1}, [b"xyz"])
    assert unpack(data + data[:-1])[1] == data[:-1]


def test_empty_data_hold_no_record():
    assert unpack(b"") == ([], b"")


def test_record_without_pictures_has_an_empty_list():
    assert unpack(pack({})) == ([({"pictures": []}, [])], b"")
