"""Photos are read whole or refused."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from saom_core.errors import InputError
from saom_core.pictures.photos import SUFFIXES, find_photos, jpeg_is_whole, photos_and_maps, read_mask, read_photo
from saom_core.places.depth_files import read_depth

RNG = np.random.default_rng(0)
PICTURE = np.kron(RNG.integers(0, 256, (3, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)
WRITTEN = [suffix for suffix in SUFFIXES if cv2.haveImageWriter(f"x{suffix}") and suffix != ".pgm"]


def encoded(suffix: str, options: tuple[int, ...] = ()) -> bytes:
    return cv2.imencode(suffix, PICTURE, options)[1].tobytes()


JPEGS = {
    "baseline": encoded(".jpg"),
    "progressive": encoded(".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
    "restart markers": encoded(".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)),
}
# a camera's file: a preview, which is a whole JPEG, in a segment before the picture; a second picture behind it
PREVIEW = b"Exif\0\0" + JPEGS["baseline"]
JPEGS["with a preview"] = (
    b"\xff\xd8\xff\xe1" + (len(PREVIEW) + 2).to_bytes(2, "big") + PREVIEW + JPEGS["progressive"][2:]
)


@pytest.mark.parametrize("suffix", WRITTEN)
def test_each_format_that_opencv_has(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo{suffix.upper()}"
    path.write_bytes(encoded(suffix))
    assert find_photos(tmp_path) == [path]
    distance = np.abs(read_photo(path).astype(int) - PICTURE[..., ::-1]).mean()
    # OpenCV writes GIFs with few colours; another picture would be 80 grey levels away
    assert distance < (30 if suffix == ".gif" else 12), f"{suffix}: {distance} grey levels from what was written"


@pytest.mark.parametrize("kind", sorted(JPEGS))
def test_a_jpeg_that_was_cut_anywhere_is_refused(kind: str) -> None:
    content = JPEGS[kind]
    assert jpeg_is_whole(content) and jpeg_is_whole(content + b"second picture \xff\xd8\xff\xc0" + bytes(99))
    assert not any(jpeg_is_whole(content[:length]) for length in range(len(content) - 1))
    half = len(content) // 2
    assert not jpeg_is_whole(content[:half] + bytes(len(content) - half)), "a download that was interrupted"


@pytest.mark.parametrize("suffix", WRITTEN)
def test_half_a_file_is_never_taken_for_a_picture(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    content = encoded(suffix)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=str(path)):
        read_photo(path)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "an empty file"), (b"no picture", "10 bytes that OpenCV .* cannot read: convert it")]
)
def test_what_is_no_picture(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_photo(tmp_path / "a.png")
    with pytest.raises(InputError, match=message):
        read_depth(tmp_path / "a.png")
    with pytest.raises(InputError, match="No such file"):
        read_photo(tmp_path / "b.png")
    with pytest.raises(InputError, match="Is a directory"):
        read_photo(tmp_path)


def test_a_picture_larger_than_opencv_allows(tmp_path: Path) -> None:
    path = tmp_path / "huge.bmp"
    content = bytearray(encoded(".bmp"))
    content[18:26] = (2**20).to_bytes(4, "little") * 2  # width and height in the header
    path.write_bytes(content)
    with pytest.raises(InputError, match="huge.bmp"):
        read_photo(path)


def test_exif_orientation_turns_the_picture(tmp_path: Path) -> None:
    turned = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: a quarter turn
    content = JPEGS["baseline"]
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe1" + (len(turned) + 2).to_bytes(2, "big") + turned + content[2:])
    (tmp_path / "b.jpg").write_bytes(content)
    assert (read_photo(tmp_path / "a.jpg") == np.rot90(read_photo(tmp_path / "b.jpg"), -1)).all()


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/photo\xff.png"))
    path.write_bytes(encoded(".png"))
    assert find_photos(tmp_path) == [path]
    assert (read_photo(path) == PICTURE[..., ::-1]).all()


def test_a_folder_without_photos(tmp_path: Path) -> None:
    for found in ("an empty one", "none"):
        with pytest.raises(InputError, match=f"got {found}") as told:
            find_photos(tmp_path)
        assert ".jpg" in str(told.value) and ".heic" not in str(told.value), "no OpenCV reads HEIC"
        (tmp_path / "notes.txt").touch()
        (tmp_path / "._photo.jpg").touch()  # what some systems lay beside a photo
    with pytest.raises(InputError, match="got nothing"):
        find_photos(tmp_path / "nowhere")


def test_depth_and_labels_of_a_folder_are_no_photos(tmp_path: Path) -> None:
    grey, deep = np.full((6, 8), 90, np.uint8), np.full((6, 8), 900, np.uint16)
    for name, pixels in (("a.jpg", PICTURE), ("b.png", grey), ("c.png", np.dstack([deep] * 3))):
        cv2.imwrite(str(tmp_path / name), pixels)
    (tmp_path / "d.png").write_text("broken, which is told when it is read")
    photos = find_photos(tmp_path)
    for name in ("a_depth.png", "labels.PNG", "near.tiff"):
        cv2.imwrite(str(tmp_path / name), deep)
    cv2.imwrite(str(tmp_path / "metres.TIF"), deep.astype(np.float32))
    assert find_photos(tmp_path) == photos and len(photos) == 4
    assert [path.name for path in photos_and_maps(tmp_path)[1]] == [
        "a_depth.png",
        "labels.PNG",
        "metres.TIF",
        "near.tiff",
    ]
    assert find_photos(tmp_path / "a_depth.png") == [tmp_path / "a_depth.png"], "what is named is taken"
    for photo in photos:
        photo.unlink()
    assert len(find_photos(tmp_path)) == 4 and not photos_and_maps(tmp_path)[1], "a folder of grey photos with 16 bits"


def test_a_mask_is_what_is_not_black_or_what_is_opaque(tmp_path: Path) -> None:
    shape = np.zeros((12, 16), np.bool_)
    shape[3:9, 4:11] = True
    colours = np.where(shape[..., None], PICTURE[:12, :16] | 1, 0).astype(np.uint8)
    black, white = np.zeros_like(colours), np.full_like(colours, 255)
    opacity = (shape * 255).astype(np.uint8)
    masks = {
        "0 and 1": shape.astype(np.uint8),
        "0 and 255": opacity,
        "16 bits": shape.astype(np.uint16),
        "a colour": colours,
        "a colour on black, opaque": np.dstack([colours, opacity | 255]),
        "a colour on black, alpha unused": np.dstack([colours, opacity & 0]),
        "a colour on nothing": np.dstack([colours, opacity]),
        "white on white nothing": np.dstack([white, opacity]),
        "black on nothing": np.dstack([black, opacity]),
    }
    for name, mask in masks.items():
        assert cv2.imwrite(str(tmp_path / "mask.png"), mask)
        np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), shape, name)
    cv2.imwrite(str(tmp_path / "mask.png"), black)
    assert not read_mask(tmp_path / "mask.png").any()
