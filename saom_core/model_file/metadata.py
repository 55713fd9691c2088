"""Adds entries to the metadata of an ONNX file, and removes them, without the package onnx, which robots do not have.

An ONNX file is one protobuf message, `ModelProto`, a row of fields in any order. Its metadata are fields number 14,
each a message of a key (field 1) and a value (field 2). So an entry is added by appending bytes to the file, and taken
away by leaving its field out; everything else, the network above all, stays byte for byte what it was.
(https://protobuf.dev/programming-guides/encoding, onnx/onnx.proto)
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from pathlib import Path

from saom_core.errors import ModelError

_METADATA_FIELD = 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


def with_entry(model: bytes, key: str, value: str) -> bytes:
    """The file with this entry at its end; entries with the same key are removed.

    Raises:
        ModelError: `model` is no protobuf message.
    """
    entry = _field(1, key.encode()) + _field(2, value.encode())
    return without_entry(model, key) + _field(_METADATA_FIELD, entry)


def without_entry(model: bytes, key: str) -> bytes:
    """The file without the entries that have this key.

    Raises:
        ModelError: `model` is no protobuf message.
    """
    return b"".join(model[begin:end] for begin, end in _spans_without(model, key))


def sha256_without_entry(path: Path, key: str) -> str:
    """SHA-256 that a file has without the entries of this key; the file is not read into memory as a whole.

    Raises:
        ModelError: the file is no protobuf message.
    """
    digest = hashlib.sha256()
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as model,
        memoryview(model) as view,
    ):
        for begin, end in _spans_without(model, key):
            with view[begin:end] as span:
                digest.update(span)
    return digest.hexdigest()


def _spans_without(model: bytes | mmap.mmap, key: str) -> list[tuple[int, int]]:
    """Begin and end of each stretch of the file that lies between entries with this key."""
    spans = []
    begin = 0
    for number, start, body, end in _fields(model):
        if number == _METADATA_FIELD and _key(model[body:end]) == key:
            spans.append((begin, start))
            begin = end
    return [*spans, (begin, len(model))]


def _key(entry: bytes) -> str:
    keys = (entry[body:end] for number, _, body, end in _fields(entry) if number == 1)
    return next(keys, b"").decode(errors="replace")


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _fields(message: bytes | mmap.mmap) -> Iterator[tuple[int, int, int, int]]:
    """For each field: its number, where it starts, where its content starts, and where it ends."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _read_varint(message, at)
        number, kind = tag >> 3, tag & 7
        body = at
        if kind == _VARINT:
            _, at = _read_varint(message, at)
        elif kind == _BYTES:
            length, body = _read_varint(message, at)
            at = body + length
        elif kind in (_FIXED32, _FIXED64):
            at += 4 if kind == _FIXED32 else 8
        else:
            raise _broken(start, f"wire type {kind}")
        if number == 0 or at > len(message):
            raise _broken(start, "a field that ends behind the file" if number else "field number 0")
        yield number, start, body, at


def _read_varint(message: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    """The number that starts at `at`, and the place behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        value, at = value | (byte & 0x7F) << shift, at + 1
        if not byte & 0x80:
            return value, at
    raise _broken(at, "an unfinished number")


def _broken(at: int, what: str) -> ModelError:
    return ModelError(f"expected an ONNX file, got {what} at byte {at}: the file is damaged, or no ONNX file")
