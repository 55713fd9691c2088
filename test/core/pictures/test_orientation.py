"""A photo that EXIF turns: its depth and camera, which EXIF does not turn, go with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from exif import jpeg_with

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.pictures.orientation import ExifTurn
from saom_core.pictures.photos import read_photo

LEVELS = np.kron(np.arange(20, 236, 18).reshape(3, 4), np.ones((16, 16))).astype(np.uint8)
"""Grey levels of the stored pixels, (48, 64): brighter is farther."""


@pytest.mark.parametrize("orientation", range(1, 9))
def test_depth_lies_on_the_photo_as_it_is_shown(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg_with(orientation, LEVELS))
    shown = read_photo(path)
    turned = ExifTurn(path, shown).depth(LEVELS.astype(np.float32) / 100)
    assert turned is not None and turned.shape == shown.shape[:2]
    assert np.abs(turned * 100 - shown[..., 0]).max() < 4


@pytest.mark.parametrize(("orientation", "turn"), [(1, (1, 0)), (3, (-1, 0)), (6, (0, 1)), (8, (0, -1))])
def test_a_camera_sees_the_same_in_the_photo_as_it_is_shown(
    tmp_path: Path, orientation: int, turn: tuple[int, int]
) -> None:
    """The ray of the brightest pixel is that of the stored picture, turned about the axis."""
    levels = np.full((48, 64), 100, np.uint8)
    levels[10, 50] = 255
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg_with(orientation, levels))
    shown = read_photo(path)
    camera = ExifTurn(path, shown).camera((70.0, 60.0, 30.0, 25.0))
    assert camera is not None and (camera.height, camera.width) == shown.shape[:2]
    row, column = np.unravel_index(shown[..., 0].argmax(), shown.shape[:2])
    x, y = (column - camera.cx) / camera.fx, (row - camera.cy) / camera.fy
    stored_x, stored_y = (50 - 30) / 70, (10 - 25) / 60
    cos, sin = turn
    assert (x, y) == pytest.approx((cos * stored_x - sin * stored_y, sin * stored_x + cos * stored_y))


def test_what_is_of_the_photo_as_it_is_shown_is_refused(tmp_path: Path) -> None:
    """Upside down it could not be told from what is of the stored pixels, so it is refused on its side, too."""
    path, camera = tmp_path / "photo.jpg", CameraIntrinsics(70.0, 70.0, 23.5, 31.5, 48, 64)
    path.write_bytes(jpeg_with(6, LEVELS))
    turn = ExifTurn(path, read_photo(path))
    assert turn.depth(None) is None and turn.camera(None) is None and turn.doubt(None) == ""
    assert "64x48, the pixels as they are stored, which the photo's EXIF" in turn.doubt((70.0, 70.0, 20.0, 42.0))
    assert turn.doubt((70.0, 70.0, 31.5, 23.5)) == ""
    with pytest.raises(InputError, match="depth of the photo's pixels as they are stored, 64x48.* EXIF .*got 48x64"):
        turn.depth(np.ones((64, 48), np.float32))
    with pytest.raises(InputError, match="the camera of the photo's pixels as they are stored, 64x48.* EXIF .*48x64"):
        turn.camera(camera)


@pytest.mark.parametrize(
    ("orientation", "camera", "found"),
    [
        (3, CameraIntrinsics(70.0, 70.0, 31.5, 23.5, 64, 48, "plumb_bob", (0.1, 0.0, 0.01, 0.0)), "distortion"),
        (2, CameraIntrinsics(70.0, 70.0, 31.5, 23.5, 64, 48), "a photo that it mirrors"),
    ],
)
def test_cameras_that_cannot_be_turned(tmp_path: Path, orientation: int, camera: CameraIntrinsics, found: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg_with(orientation, LEVELS))
    with pytest.raises(InputError, match=rf"EXIF orientation \(here {orientation}\).*{found}"):
        ExifTurn(path, read_photo(path)).camera(camera)
