"""How a JSON object and pictures travel together: as one record of a stream, or as one answer."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

MEDIA_TYPE: Final = "application/x-emotion-edge-records"

_HEAD: Final = struct.Struct(">II")


def pack(content: Mapping[str, Any], pictures: Sequence[bytes] = ()) -> bytes:
    """Return one record: length of the JSON, length of what follows it (both uint32, big-endian), and both.

    `content` gets a key `pictures`: the length of each, in the order in which they follow.
    """
    text = msgspec.json.encode({**content, "pictures": [len(picture) for picture in pictures]})
    return b"".join((_HEAD.pack(len(text), sum(map(len, pictures))), text, *pictures))


def unpack(data: bytes) -> tuple[list[tuple[dict[str, Any], list[bytes]]], bytes]:
    """Take whole records off the beginning of `data`; returns them, and what is left."""
    found = []
    while len(data) >= _HEAD.size:
        of_text, of_pictures = _HEAD.unpack_from(data)
        end = _HEAD.size + of_text + of_pictures
        if len(data) < end:
            break
        content = msgspec.json.decode(data[_HEAD.size : _HEAD.size + of_text])
        pictures, at = [], _HEAD.size + of_text
        for length in content["pictures"]:
            pictures.append(data[at : at + length])
            at += length
        found.append((content, pictures))
        data = data[end:]
    return found, data
