"""Metadata entries are added and taken away without touching anything else of the file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from saom_core.errors import ModelError
from saom_core.model_file.contract import METADATA_KEY
from saom_core.model_file.metadata import sha256_without_entry, with_entry, without_entry
from saom_core.runtime import BUNDLED_MODEL


def metadata(model: bytes) -> dict[str, str]:
    """What onnxruntime, which parses the file by itself, finds in it."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return dict(session.get_modelmeta().custom_metadata_map)


def test_an_entry_is_added_replaced_and_taken_away() -> None:
    model = BUNDLED_MODEL.read_bytes()
    before = metadata(model)
    one = with_entry(model, "saom_test", "älter")
    assert metadata(one) == {**before, "saom_test": "älter"}
    two = with_entry(one, "saom_test", "x" * 300)  # a length of two bytes
    assert metadata(two) == {**before, "saom_test": "x" * 300}
    assert without_entry(two, "saom_test") == model
    assert without_entry(model, "saom_test") == model


def test_entries_of_other_keys_stay_where_they_are() -> None:
    model = BUNDLED_MODEL.read_bytes()
    both = with_entry(with_entry(model, "a", "1"), "b", "2")
    assert without_entry(both, "a") == with_entry(model, "b", "2")
    with_own = metadata(without_entry(model, METADATA_KEY))
    assert METADATA_KEY not in with_own


def test_checksum_is_of_the_file_without_the_entry(tmp_path: Path) -> None:
    model = BUNDLED_MODEL.read_bytes()
    path = tmp_path / "model.onnx"
    for content in (model, with_entry(model, "a", "1"), with_entry(with_entry(model, "a", "1"), "b", "2")):
        path.write_bytes(content)
        assert sha256_without_entry(path, "a") == hashlib.sha256(without_entry(content, "a")).hexdigest()
    path.write_bytes(with_entry(model, "a", "1"))
    assert sha256_without_entry(path, "a") == hashlib.sha256(model).hexdigest()


def test_empty_message() -> None:
    assert without_entry(b"", "a") == b""
    assert without_entry(with_entry(b"", "a", ""), "a") == b""


def test_truncated_files_are_refused_or_lose_whole_fields_only() -> None:
    model = with_entry(with_entry(b"\x08\x07", "a", "1" * 200), "b", "2" * 200)  # ir_version 7, two entries
    ends = {2, len(with_entry(b"\x08\x07", "a", "1" * 200)), 0}
    for length in range(len(model)):
        if length in ends:
            assert without_entry(model[:length], "c") == model[:length]
        else:
            with pytest.raises(ModelError, match="damaged"):
                without_entry(model[:length], "c")


@pytest.mark.parametrize("content", [b"this is no protobuf message", b"\x00\x01", b"\x0b", b"\xff" * 20])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="no ONNX file"):
        with_entry(content, "a", "1")


def test_random_bytes_never_crash_the_parser() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        content = rng.integers(0, 256, rng.integers(1, 60), np.uint8).tobytes()
        try:
            assert without_entry(content, "a") in (content, without_entry(without_entry(content, "a"), "a"))
        except ModelError:
            continue
