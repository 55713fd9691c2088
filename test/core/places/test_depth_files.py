"""Depth in files of all kinds comes out in metres, or is refused with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from saom_core.errors import InputError
from saom_core.places.depth_files import check_depth_place, find_depth, read_checked_depth, read_depth

ROOT = Path(__file__).resolve().parents[3]
SEQUENCE = ROOT / "test" / "sequence"
METRES = np.random.default_rng(3).uniform(0.4, 3.0, (24, 32)).astype(np.float32)
METRES[4:7, 5:9] = 0


def write_exr(path: Path, channels: dict[str, np.ndarray]) -> None:
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, channels) as file:
        file.write(str(path))


def write(path: Path, metres: np.ndarray) -> Path:
    """A depth file of the kind that its name says; `_mm` in whole millimetres."""
    numbers = np.rint(metres * 1000).astype(np.uint16) if path.stem.endswith("_mm") else metres.astype(np.float32)
    if path.suffix == ".npy":
        np.save(path, numbers)
    elif path.suffix == ".exr":
        write_exr(path, {"Z": numbers})
    else:
        assert cv2.imwrite(str(path), numbers)
    return path


@pytest.mark.parametrize("name", ["a_mm.png", "a_mm.tiff", "a.tif", "a.tiff", "a.exr", "a.npy", "a_mm.npy"])
def test_each_kind_of_file(tmp_path: Path, name: str) -> None:
    depth = read_depth(write(tmp_path / name, METRES))
    assert depth is not None and depth.dtype == np.float32
    np.testing.assert_allclose(depth, METRES, atol=0.0006 if "_mm" in name else 1e-7)


def test_other_arrays_of_numpy(tmp_path: Path) -> None:
    for number, array in enumerate(
        (METRES.astype(np.float64), METRES.astype(np.float16), METRES[..., None], (METRES * 1000).astype(np.int32))
    ):
        np.save(tmp_path / f"{number}.npy", array)
        depth = read_depth(tmp_path / f"{number}.npy")
        assert depth is not None
        np.testing.assert_allclose(depth, METRES, atol=0.002)


@pytest.mark.parametrize("channels", [["Z"], ["depth.V"], ["Y"], ["anything"], ["R", "G", "B"]])
def test_channels_of_openexr(tmp_path: Path, channels: list[str]) -> None:
    write_exr(tmp_path / "a.exr", {name: METRES for name in channels})
    depth = read_depth(tmp_path / "a.exr")
    assert depth is not None
    np.testing.assert_array_equal(depth, METRES)


def test_the_depth_channel_is_taken_of_a_picture_with_depth(tmp_path: Path) -> None:
    write_exr(tmp_path / "a.exr", {"R": METRES * 0, "G": METRES * 0.5, "B": METRES * 0.1, "Z": METRES})
    depth = read_depth(tmp_path / "a.exr")
    assert depth is not None
    np.testing.assert_array_equal(depth, METRES)


def test_depth_scale(tmp_path: Path) -> None:
    tenths = tmp_path / "tenths.png"
    cv2.imwrite(str(tenths), np.rint(METRES * 10000).astype(np.uint16))
    np.testing.assert_allclose(read_checked_depth(tenths, 0.0001, 0.1, 10.0).depth_m, METRES, atol=0.0001)
    with pytest.raises(InputError, match=r"set depth_scale to 0.001 \(now 1\)"):
        np.save(tmp_path / "mm.npy", METRES * 1000)
        read_checked_depth(tmp_path / "mm.npy", 0.0, 0.1, 10.0)
    assert "set depth_scale to 0.0001 (now 0.001)" in read_checked_depth(tenths, 0.0, 0.1, 10.0).doubt


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.png", np.zeros((4, 5, 3), np.uint8), "in colours or in 8 bits has lost it"),
        ("a.png", np.zeros((4, 5), np.uint8), r"got \(4, 5\) uint8"),
        ("a.npy", np.zeros((2, 4, 5), np.float32), r"shape \(H, W\)"),
        ("a.npy", np.zeros((0, 5), np.float32), r"shape \(H, W\)"),
        ("a.npy", np.array([[True]]), "bool"),
        ("a.npy", np.array([{}], object), "NumPy array"),
        ("a.npy", b"no array", "NumPy array"),
        ("a.exr", b"no picture", "OpenEXR"),
        ("a.png", b"no picture", "cannot read"),
        ("a.exr", {"R": METRES, "G": METRES * 2}, "expected a depth channel"),
    ],
)
def test_what_is_no_depth_is_refused(tmp_path: Path, name: str, content: object, reason: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        write_exr(path, content)
    elif path.suffix == ".npy":
        np.save(path, content)
    else:
        cv2.imwrite(str(path), content)
    with pytest.raises(InputError, match=reason):
        read_depth(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    for name in ("a.png", "a.exr", "a.npy"):
        with pytest.raises(InputError, match=name):
            read_depth(tmp_path / name)


def test_the_depth_of_a_photo_is_found_by_its_name(tmp_path: Path) -> None:
    assert find_depth(Path("x/photo.jpg"), None) is None
    assert find_depth(Path("x/photo.jpg"), tmp_path / "one.npy") == tmp_path / "one.npy"
    for name in ("photo.exr", "other.npy", "b.TIFF"):
        (tmp_path / name).touch()
    assert find_depth(Path("x/photo.jpg"), tmp_path) == tmp_path / "photo.exr"
    assert find_depth(Path("x/b.png"), tmp_path) == tmp_path / "b.TIFF"
    with pytest.raises(InputError, match="expected the depth of c.jpg"):
        find_depth(Path("x/c.jpg"), tmp_path)


@pytest.mark.parametrize(
    ("photo", "depth"),
    [
        ("image_003.jpg", "depth_003.png"),
        ("image_003.jpg", "depth_image_003.npy"),
        ("a.png", "a_depth.png"),
        ("a.png", "a-depth.tiff"),
        ("a-color.png", "a-depth.png"),
        ("a_color.png", "a_depth.EXR"),
        ("rgb_1.png", "depth_1.png"),
        ("Color-1.png", "depth-1.png"),
    ],
)
def test_the_names_that_cameras_give_to_depth(tmp_path: Path, photo: str, depth: str) -> None:
    for name in (photo, depth, "image_004.jpg", "depth_004.png", "b.png"):
        (tmp_path / name).touch()
    check_depth_place([tmp_path / photo, tmp_path / "image_004.jpg"], tmp_path)
    assert find_depth(tmp_path / photo, tmp_path) == tmp_path / depth, "beside the photo, which is not its own depth"
    (tmp_path / photo).unlink()
    assert find_depth(Path("elsewhere") / photo, tmp_path) == tmp_path / depth


def test_depth_whose_photo_is_not_certain_is_refused(tmp_path: Path) -> None:
    for name in ("depth_1.png", "1_depth.png", "depth_2.png"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="expected one depth file of image_1.jpg in .*1_depth.png, depth_1.png: move"):
        find_depth(Path("image_1.jpg"), tmp_path)
    with pytest.raises(InputError, match="depth_2.png, got image_2.jpg and 2_color.jpg: give the depth of each"):
        check_depth_place([Path("image_2.jpg"), Path("2_color.jpg")], tmp_path)
    with pytest.raises(InputError, match="as image_3, 3_depth or depth_3 with one of .*: give the file such a name"):
        find_depth(Path("image_3.jpg"), tmp_path)
    with pytest.raises(InputError, match="nowhere, got nothing: check the path"):
        check_depth_place([Path("image_2.jpg")], tmp_path / "nowhere")


def segment(*arguments: object) -> subprocess.CompletedProcess[str]:
    photo = SEQUENCE / "image_008.jpg"
    command = [sys.executable, "-m", "saom_cli", "segment", str(photo), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def table(output: str) -> list[str]:
    return [line for line in output.splitlines() if " mask " in line]


@pytest.mark.slow
def test_saom_segment_answers_the_same_for_each_kind(tmp_path: Path) -> None:
    png = SEQUENCE / "depth_008.png"
    expected = segment("--depth", png)
    assert expected.returncode == 0 and len(table(expected.stdout)) > 3 and " m" in table(expected.stdout)[0]
    millimetres = cv2.imread(str(png), cv2.IMREAD_UNCHANGED)
    metres = millimetres.astype(np.float32) / np.float32(1000)
    for name in ("d.tiff", "d.exr", "d.npy"):
        assert table(segment("--depth", write(tmp_path / name, metres)).stdout) == table(expected.stdout), name
    np.save(tmp_path / "wrong.npy", millimetres.astype(np.float32))
    refused = segment("--depth", tmp_path / "wrong.npy")
    assert refused.returncode != 0 and "set depth_scale to 0.001" in refused.stderr
    scaled = segment("--depth", tmp_path / "wrong.npy", "--depth-scale", 0.001, "--json", tmp_path / "out.json")
    assert table(scaled.stdout) == table(expected.stdout) and json.loads((tmp_path / "out.json").read_text())


@pytest.mark.slow
def test_saom_segment_doubts_objects_of_the_size_of_houses(tmp_path: Path) -> None:
    millimetres = cv2.imread(str(SEQUENCE / "depth_008.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(tmp_path / "tenths.png"), (millimetres * 10.0).clip(0, 65535).astype(np.uint16))
    lens = ("--intrinsics", 570, 570, 319.5, 239.5)
    doubtful = segment("--depth", tmp_path / "tenths.png", *lens)
    assert "set depth_scale to 0.0001 (now 0.001)" in doubtful.stdout + doubtful.stderr
    certain = segment("--depth", tmp_path / "tenths.png", *lens, "--depth-scale", 0.0001)
    assert certain.returncode == 0 and "depth_scale" not in certain.stdout + certain.stderr
