"""Packs a JSON object and pictures into one binary record, for the stream and for answers; unpacks such records.

Layout of a record: the length of the JSON and the length of all pictures together (both uint32, big-endian), the
JSON, the pictures. `static/records.js` is the counterpart in the browser.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

MEDIA_TYPE: Final = "application/x-emotion-edge-records"

_HEADER: Final = struct.Struct(">II")


def pack(content: Mapping[str, Any], pictures: Sequence[bytes] = ()) -> bytes:
    """Return one record.

    The JSON is `content` with one more key, `pictures`: the length in bytes of each picture, in the order in which
    they follow.
    """
    text = msgspec.json.encode({**content, "pictures": [len(picture) for picture in pictures]})
    return b"".join((_HEADER.pack(len(text), sum(map(len, pictures))), text, *pictures))


def unpack(data: bytes) -> tuple[list[tuple[dict[str, Any], list[bytes]]], bytes]:
    """Split complete records, (content, pictures) each, off the beginning of `data`; returns them and the rest."""
    records = []
    while len(data) >= _HEADER.size:
        text_length, pictures_length = _HEADER.unpack_from(data)
        end = _HEADER.size + text_length + pictures_length
        if len(data) < end:
            break
        content = msgspec.json.decode(data[_HEADER.size : _HEADER.size + text_length])
        pictures, at = [], _HEADER.size + text_length
        for length in content["pictures"]:
            pictures.append(data[at : at + length])
            at += length
        records.append((content, pictures))
        data = data[end:]
    return records, data
