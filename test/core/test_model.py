"""The Python front door: pictures of any kind give the same answer; and what `import saom_core` offers."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from exif import jpeg_with

import saom_core
from saom_core.camera import CameraIntrinsics
from saom_core.geometry.oriented_box import angle_between
from saom_core.pictures.photos import read_photo
from saom_core.places.depth_files import read_depth

SEQUENCE = Path(__file__).resolve().parents[2] / "test" / "sequence"
PHOTO, DEPTH = SEQUENCE / "image_008.jpg", SEQUENCE / "depth_008.png"


@pytest.fixture(scope="module")
def model() -> saom_core.Model:
    return saom_core.load(threads=1)


def assert_same(one: saom_core.Instances, other: saom_core.Instances) -> None:
    assert one.class_names == other.class_names
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.label_image(), other.label_image())


def test_a_path_an_array_and_opencvs_order_are_one_picture(model: saom_core.Model) -> None:
    image_rgb = read_photo(PHOTO)
    expected = model.segmenter.segment(image_rgb).instances
    assert len(expected) > 3
    for image, bgr in ((PHOTO, False), (str(PHOTO), False), (image_rgb, False), (image_rgb[:, :, ::-1], True)):
        assert_same(model.segment(image, bgr=bgr), expected)
    for instances in model.stream([PHOTO, image_rgb]):
        assert_same(instances, expected)


def test_a_pil_image_of_any_mode_is_a_picture(model: saom_core.Model) -> None:
    pil = pytest.importorskip("PIL.Image")
    image_rgb = read_photo(PHOTO)
    picture = pil.fromarray(image_rgb)
    assert_same(model.segment(picture), model.segment(image_rgb))
    assert_same(model.segment(picture.convert("RGBA")), model.segment(image_rgb))
    assert model.segment(picture.convert("L")).size_hw == image_rgb.shape[:2]


def test_a_pil_image_is_turned_and_its_16_bits_are_kept_as_those_of_a_file(
    model: saom_core.Model, tmp_path: Path
) -> None:
    pil = pytest.importorskip("PIL.Image")
    turned, deep = tmp_path / "turned.jpg", tmp_path / "deep.png"
    exif = pil.Exif()
    exif[0x0112] = 6
    pil.open(PHOTO).save(turned, exif=exif, quality=95)
    grey = np.asarray(pil.open(PHOTO).convert("L")).astype(np.uint16) * 257
    pil.fromarray(grey).save(deep)
    for path in (turned, deep):
        with pil.open(path) as picture:
            assert_same(model.segment(picture), model.segment(path))
    assert model.segment(pil.open(turned)).size_hw == (640, 480)
    stored_m = read_depth(DEPTH)
    by_path, by_pil = (model.segment(photo, stored_m) for photo in (turned, pil.open(turned)))
    np.testing.assert_array_equal(by_pil.distances_m, by_path.distances_m)
    with pytest.raises(saom_core.InputError, match="mode F"):
        model.segment(pil.fromarray(grey.astype(np.float32)))


def test_units_and_resolutions_that_cannot_be_right_are_refused_or_told_once(caplog: pytest.LogCaptureFixture) -> None:
    model, depth_m, camera = saom_core.load(threads=1), read_depth(DEPTH), (570.0, 570.0, 319.5, 239.5)
    assert depth_m is not None
    with pytest.raises(saom_core.InputError, match="the unit is wrong, set depth_scale to 0.001"):
        model.segment(PHOTO, depth_m * 1000, camera)
    expected = model.segment(PHOTO, depth_m, camera)
    assert not caplog.records
    assert_same(model.segment(PHOTO, depth_m * 1000, camera, depth_scale=0.001), expected)
    assert_same(model.segment(PHOTO, np.rint(depth_m * 5000).astype(np.uint16), camera, depth_scale=1 / 5000), expected)
    assert not caplog.records
    for _ in range(2):
        model.segment(PHOTO, depth_m * 8, camera)
        model.segment(PHOTO, depth_m, (1710.0, 1710.0, 959.5, 719.5))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2 and "things of a hand's size" in told[0] and "of another resolution" in told[1]


def test_the_scale_that_is_advised_is_the_right_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, depth_m, camera = saom_core.load(threads=1), read_depth(DEPTH), (570.0, 570.0, 319.5, 239.5)
    assert depth_m is not None
    tenths, floats = tmp_path / "tenths.png", tmp_path / "floats.npy"
    cv2.imwrite(str(tenths), np.clip(np.rint(depth_m * 1e4), 0, 65535).astype(np.uint16))
    np.save(floats, depth_m * 1000)
    model.segment(PHOTO, tenths, camera)
    assert "set depth_scale to 0.0001 (now 0.001)" in caplog.text
    with pytest.raises(saom_core.InputError, match=r"set depth_scale to 0.001 \(now 1\)"):
        model.segment(PHOTO, floats, camera)


def test_depth_that_is_far_or_nothing_is_no_wrong_unit(caplog: pytest.LogCaptureFixture) -> None:
    """A simulator's far plane, a hall, REP 117's infinities: answered, and told once."""
    model, camera = saom_core.load(threads=1), (570.0, 570.0, 319.5, 239.5)
    sky = np.full((480, 640), 1000, np.float32)
    sky[300:] = 1
    for depth_m in (sky, np.full_like(sky, np.inf), np.full_like(sky, 12), np.zeros_like(sky)):
        assert len(model.segment(PHOTO, depth_m, camera)) > 3
    assert len(caplog.records) == 2
    with pytest.raises(saom_core.InputError, match="depth of the image's size"):
        model.segment(PHOTO, np.ones(480, np.float32), camera)


def test_depth_of_a_file_gives_metres(model: saom_core.Model) -> None:
    camera = CameraIntrinsics(525.0, 525.0, 319.5, 239.5, 640, 480)
    found, expected = (model.segment(PHOTO, depth, camera) for depth in (str(DEPTH), read_depth(DEPTH)))
    assert found.centroids_m is not None and np.isfinite(found.centroids_m).any()
    np.testing.assert_array_equal(found.centroids_m, expected.centroids_m)


def test_boxes_of_a_still_scene_do_not_turn_with_the_noise_of_depth(model: saom_core.Model) -> None:
    """Measured frame by frame alone, those of the same pictures turn by 90 and 180 degrees.

    A thing of a few hundred pixels, whose edges the noise moves most, is followed as if it had turned a little.
    """
    image_rgb, depth_m = read_photo(PHOTO), read_depth(DEPTH)
    camera = CameraIntrinsics(570, 570, 319.5, 239.5, 640, 480)
    assert depth_m is not None
    rng, tracker = np.random.default_rng(0), model.tracker()
    last: dict[int, np.ndarray] = {}
    turns_deg: dict[bool, list[float]] = {True: [], False: []}  # of things of more than 1000 pixels, and of the others
    for number in range(3):
        noisy_m = (depth_m + rng.normal(0, 0.0015, depth_m.shape) * depth_m**2).astype(np.float32)
        found = tracker.update(image_rgb, number / 30, noisy_m, camera)
        assert found.boxes3d is not None and found.support is not None and not found.support.is_surface.any()
        now = dict(zip(found.track_ids.tolist(), found.boxes3d.axes, strict=True))
        for (k, axes), mask in zip(now.items(), found.masks, strict=True):
            if k in last and np.isfinite(axes).all():
                turns_deg[mask.area > 1000].append(angle_between(axes, last[k]))
        last |= now
    assert len(turns_deg[True]) > 15 and max(turns_deg[True]) < 5 and max(turns_deg[False], default=0.0) < 15


def test_a_tracker_takes_and_refuses_what_segment_does(caplog: pytest.LogCaptureFixture) -> None:
    model, image_rgb, depth_m = saom_core.load(threads=1), read_photo(PHOTO), read_depth(DEPTH)
    assert depth_m is not None
    k = np.array([[570.0, 0.0, 319.5], [0.0, 570.0, 239.5], [0.0, 0.0, 1.0]])
    expected = model.tracker().update(image_rgb, 0.0, depth_m, CameraIntrinsics(570, 570, 319.5, 239.5, 640, 480))
    assert expected.centroids_m is not None and np.isfinite(expected.centroids_m).any()
    by_path = model.tracker().update(str(PHOTO), 0.0, DEPTH, (570.0, 570.0, 319.5, 239.5))
    scaled = model.tracker().update(image_rgb[..., ::-1], 0.0, depth_m * 1000, k, depth_scale=0.001, bgr=True)
    for found in (by_path, scaled):
        assert_same(found, expected)
        np.testing.assert_allclose(found.centroids_m, expected.centroids_m, atol=1e-6)
    assert not caplog.records
    tracker = model.tracker()
    with pytest.raises(saom_core.InputError, match="the unit is wrong, set depth_scale to 0.001"):
        tracker.update(image_rgb, 0.0, depth_m * 1000, k)
    for _ in range(2):
        tracker.update(image_rgb, 0.0, depth_m * 8, k)
        tracker.update(image_rgb, 0.0, depth_m, (285.0, 285.0, 159.75, 119.75))
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2 and "things of a hand's size" in told[0] and "of another resolution" in told[1]


@pytest.mark.parametrize(("orientation", "quarters", "cx", "cy"), [(3, 2, 339.0, 229.0), (6, 1, 250.0, 339.0)])
def test_depth_and_camera_are_turned_with_a_photo(
    model: saom_core.Model, tmp_path: Path, orientation: int, quarters: int, cx: float, cy: float
) -> None:
    """The camera of the photo as it is shown has its axis at (300, 250)."""
    path, depth_m = tmp_path / "turned.jpg", read_depth(DEPTH)
    assert depth_m is not None
    path.write_bytes(jpeg_with(orientation, np.rot90(read_photo(PHOTO), quarters)))
    stored_m = np.ascontiguousarray(np.rot90(depth_m, quarters))
    expected = model.segment(read_photo(path), depth_m, (570.0, 570.0, 300.0, 250.0))
    found = model.segment(path, stored_m, (570.0, 570.0, cx, cy))
    assert_same(found, expected)
    np.testing.assert_array_equal(found.centroids_m, expected.centroids_m)


def test_a_camera_may_be_given_as_four_numbers_or_as_k(model: saom_core.Model) -> None:
    whole = CameraIntrinsics(525.0, 520.0, 319.5, 239.5, 640, 480)
    k = np.array([[525.0, 0.0, 319.5], [0.0, 520.0, 239.5], [0.0, 0.0, 1.0]])
    expected = model.segment(PHOTO, DEPTH, whole)
    for camera in ((525.0, 520.0, 319.5, 239.5), [525, 520, 319.5, 239.5], k, k.tolist(), k.astype(np.float32)):
        np.testing.assert_array_equal(model.segment(PHOTO, DEPTH, camera).centroids_m, expected.centroids_m)
    asked, _ = model.ask(PHOTO, points_xy=[(320, 225)], depth=DEPTH, camera=k)
    assert asked.boxes3d is not None and np.isfinite(asked.boxes3d.centers_m).all()


@pytest.mark.parametrize(
    "camera",
    [(525.0, 525.0, 319.5), np.eye(4), np.full((3, 3), 2.0), "525", {"fx": 525.0}, np.zeros((3, 3)), object()],
    ids=str,
)
def test_what_is_no_camera_is_refused_with_what_is_one(model: saom_core.Model, camera: Any) -> None:
    with pytest.raises(saom_core.InputError, match=r"\(fx, fy, cx, cy\).*K \(3, 3\).*got "):
        model.segment(PHOTO, DEPTH, camera)
    with pytest.raises(saom_core.InputError, match="fx, fy > 0"):
        model.segment(PHOTO, DEPTH, (0.0, 525.0, 319.5, 239.5))


def test_points_and_boxes_are_answered_and_told_apart(model: saom_core.Model) -> None:
    largest = max(model.segment(PHOTO).masks, key=lambda mask: mask.area)
    rows, columns = np.nonzero(largest.crop)
    middle = len(rows) // 2
    point = largest.x + columns[middle] + 0.5, largest.y + rows[middle] + 0.5
    instances, prompts = model.ask(PHOTO, points_xy=[point], boxes_xyxy=[largest.box_xyxy])
    assert sorted(prompts) == [0, 1] and len(instances) == 2


def test_one_point_needs_no_list_and_rows_of_other_lengths_are_refused(model: saom_core.Model) -> None:
    expected, _ = model.ask(PHOTO, points_xy=[(320, 225)])
    for one in ((320, 225), np.array([320, 225]), np.array([[320.0, 225.0]])):
        assert_same(model.ask(PHOTO, points_xy=one)[0], expected)
    for wrong in ([(320, 225, 1)], [(320, 225), (1,)], [[(320, 225)]], "320,225"):
        with pytest.raises(saom_core.InputError, match="points_xy: expected rows of 2 numbers"):
            model.ask(PHOTO, points_xy=wrong)  # type: ignore[arg-type]


def test_threads_share_a_model_and_leave_its_options_alone(model: saom_core.Model) -> None:
    image_rgb, before = read_photo(PHOTO), model.segmenter.config
    alone = [model.tracker().update(image_rgb, 0.0), model.segment(image_rgb)]

    def work(number: int) -> list[saom_core.Instances]:
        tracker = model.tracker()
        return [tracker.update(image_rgb, 0.0) if number < 2 else model.segment(image_rgb) for _ in range(3)]

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(work, range(3)))
    assert model.segmenter.config is before
    for number, found in enumerate(answers):
        for one in found[:1] if number < 2 else found:
            assert_same(one, alone[number // 2])


def test_what_is_no_picture_is_refused(model: saom_core.Model) -> None:
    with pytest.raises(saom_core.InputError, match="got int"):
        model.segment(7)
    with pytest.raises(saom_core.InputError, match="got list"):
        model.segment(PHOTO, depth=[1.0])
    with pytest.raises(saom_core.InputError, match=r"expected an image of shape \(H, W, 3\)"):
        model.segment(np.zeros((4, 4), np.uint8))
    with pytest.raises(saom_core.ConfigError, match="check the spelling"):
        saom_core.load(score_treshold=0.5)


def test_a_plot_shows_each_object_and_wants_its_own_picture(model: saom_core.Model) -> None:
    image_rgb = read_photo(PHOTO)
    instances = model.segment(image_rgb)
    picture = instances.plot(image_rgb, labels=False)
    changed = (picture != image_rgb).any(axis=2)
    assert changed[instances.label_image() > 0].mean() > 0.95
    np.testing.assert_array_equal(instances.plot(PHOTO, labels=False), picture)
    with pytest.raises(saom_core.InputError, match="the image of the instances"):
        instances.plot(image_rgb[::2])


@pytest.mark.skipif(importlib.util.find_spec("supervision") is None, reason="supervision is of the training side")
def test_supervision_gets_the_same_boxes_masks_and_names(model: saom_core.Model) -> None:
    instances = model.segment(PHOTO)
    detections = instances.to_supervision()
    np.testing.assert_allclose(detections.xyxy, instances.boxes_xyxy)
    np.testing.assert_array_equal(detections.mask, instances.dense_masks())
    np.testing.assert_allclose(detections.confidence, instances.scores)
    np.testing.assert_array_equal(detections.class_id, instances.class_ids)
    assert list(detections["class_name"]) == list(instances.class_names)
    assert len(saom_core.Instances((4, 4)).to_supervision()) == 0


def test_import_is_light_and_offers_what_it_says() -> None:
    assert all(getattr(saom_core, name) is not None for name in saom_core.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        saom_core.lode  # noqa: B018
    code = "import sys, saom_core, saom_core.errors; sys.exit('cv2' in sys.modules or 'onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_version() -> None:
    pyproject = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{saom_core.__version__}"' in pyproject


def test_no_module_hides_a_public_name() -> None:
    """A module that was imported by anybody becomes an attribute of its package, in the place of a lazy name."""
    modules = {path.stem for path in Path(saom_core.__file__).parent.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not modules & set(saom_core.__all__)
