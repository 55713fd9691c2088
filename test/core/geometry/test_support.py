"""What things stand on: planes, heights, surfaces, against scenes of which all is known, and on real photographs."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from tabletop import CAMERA, SIZE_HW, Tabletop

from saom_cli.kept import packed, unpacked
from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.geometry.scene_planes import SEARCH_EVERY, support_planes
from saom_core.geometry.support import SUPPORT_ARRAYS, Plane, Support
from saom_core.instances import Instances, MaskCrop
from saom_core.loading import load_segmenter
from saom_core.places import standing
from saom_core.places.measure import BoxMemory, measure

ROOT = Path(__file__).resolve().parents[3]
REAL = Path(os.environ.get("SAOM_REAL_PHOTOS", ROOT.parent / "shared" / "real"))
NOISE_M = 0.002
TABLE, FLOOR, FIRST, SECOND = 1, 2, 3, 4


def measured(scene: Tabletop, *numbers: int, noise_m: float = NOISE_M) -> tuple[Instances, Support]:
    depth, owner = scene.drawn(noise_m)
    found = measure(scene.instances(owner, *numbers), depth, CAMERA)
    assert found.support is not None
    return found, found.support


@pytest.mark.parametrize("down_deg", [20.0, 40.0, 60.0, 90.0])
def test_the_table_is_found_with_its_true_coefficients(down_deg: float) -> None:
    scene = Tabletop(down_deg).put((0.0, 0.0), (0.1, 0.1, 0.1), turn_deg=20)
    _, support = measured(scene, FIRST)
    (plane,) = support.planes
    up = scene.axes @ [0.0, 0.0, 1.0]  # of the world, in the camera
    assert np.degrees(np.arccos(min(1.0, plane.normal @ up))) < 0.3
    origin = scene.in_camera(np.zeros((1, 3)))
    assert abs(plane.heights_m(origin)[0]) < 0.002 and plane.heights_m(np.zeros((1, 3)))[0] > 0, "the camera is above"
    assert np.abs(plane.heights_m(plane.outline_m)).max() < 1e-4, "the outline lies on the plane"


@pytest.mark.parametrize("missing", [0.02, 0.1, 0.3])
def test_pixels_without_depth_here_and_there_hide_no_table(missing: float) -> None:
    scene = Tabletop(40.0).put((0.0, 0.0), (0.12, 0.08, 0.1), turn_deg=20)
    depth, owner = scene.drawn(NOISE_M)
    holes = np.random.default_rng(0).random(SIZE_HW) < missing
    rows = np.zeros(SIZE_HW, bool)
    rows[::3] = True  # a registration's seams
    for gone in (holes, rows):
        found = measure(scene.instances(owner, TABLE, FIRST), np.where(gone, np.float32(0), depth), CAMERA)
        assert found.support is not None
        (plane,) = found.support.planes
        assert np.degrees(np.arccos(min(1.0, plane.normal @ (scene.axes @ [0.0, 0.0, 1.0])))) < 0.5
        assert abs(plane.heights_m(scene.in_camera(np.zeros((1, 3))))[0]) < 0.003
        assert found.support.is_surface.tolist() == [True, False] and found.support.supported_by[1] == 0


def test_area_and_outline_are_those_of_what_is_seen() -> None:
    scene = Tabletop(60.0, table_m=0.2)
    _, support = measured(scene, TABLE, noise_m=0.0)
    (plane,) = support.planes
    depth, owner = scene.drawn()
    inner = cv2.erode((owner == TABLE).astype(np.uint8), np.ones((25, 25))) > 0  # pieces at the edge are left out
    rays = np.stack([np.broadcast_to(m, SIZE_HW) for m in CAMERA.ray_maps], axis=-1)
    of_pixel = depth**2 / CAMERA.fx / CAMERA.fy / np.abs(rays @ plane.normal)
    assert plane.area_m2 == pytest.approx(of_pixel[inner].sum(), rel=0.1)
    assert plane.pixels == pytest.approx(inner.sum(), rel=0.1)
    corners = scene.in_camera(np.array([[x, y, 0.0] for x in (-0.14, 0.14) for y in (-0.14, 0.14)]))
    outside = scene.in_camera(np.array([[0.3, 0.0, 0.0], [0.0, -0.3, 0.0]]))
    assert plane.covers(corners).all() and not plane.covers(outside).any()
    assert plane.covers(outside, margin_m=0.2).all()


@pytest.mark.parametrize("down_deg", [30.0, 45.0, 90.0])
@pytest.mark.parametrize("height", [0.05, 0.15])
def test_heights_and_boxes_of_what_stands_on_the_table(down_deg: float, height: float) -> None:
    size = (0.12, 0.08, height)
    scene = Tabletop(down_deg).put((0.05, 0.0), size, turn_deg=30)
    found, support = measured(scene, FIRST)
    assert support.supported_by[0] == 0 and not support.is_surface[0]
    assert support.tops_m[0] == pytest.approx(height, abs=0.006)
    if down_deg < 90:  # from above no side is seen
        assert support.bottoms_m[0] == pytest.approx(0.0, abs=0.01)
    assert found.boxes3d is not None
    center = found.boxes3d.centers_m[0] @ scene.axes + -scene.distance_m * scene.axes[2]  # in the world
    assert center[2] == pytest.approx(height / 2, abs=0.004), "the box stands on the table"
    assert sorted(found.boxes3d.sizes_m[0]) == pytest.approx(sorted(size), abs=0.012)


def test_the_table_is_a_surface_and_a_newspaper_on_it_is_none() -> None:
    scene = Tabletop(45.0, table_m=0.5).put((0.1, 0.0), (0.3, 0.2, 0.001))
    _, support = measured(scene, TABLE, FIRST)
    assert support.is_surface.tolist() == [True, False]
    assert support.supported_by.tolist() == [-1, 0] and np.isnan(support.tops_m[0])
    assert abs(support.tops_m[1]) < 0.01


def test_what_stands_on_another_thing_is_held_or_is_hidden() -> None:
    stacked = Tabletop(40.0).put((0, 0), (0.2, 0.2, 0.1)).put((0, 0), (0.1, 0.1, 0.08), bottom=0.1)
    _, support = measured(stacked, FIRST, SECOND)
    assert support.supported_by.tolist() == [0, -1]
    assert support.bottoms_m[1] == pytest.approx(0.1, abs=0.01) and support.tops_m[1] == pytest.approx(0.18, abs=0.01)
    held = Tabletop(30.0).put((0, 0), (0.08, 0.08, 0.1), bottom=0.12)
    assert measured(held, FIRST)[1].supported_by.tolist() == [-1]
    behind = Tabletop(30.0).put((0, 0.2), (0.08, 0.08, 0.25)).put((0, 0), (0.2, 0.05, 0.12))
    _, support = measured(behind, FIRST, SECOND)
    assert support.bottoms_m[0] > 0.03 and support.supported_by.tolist() == [0, 0], "its foot is hidden, not missing"


def test_the_floor_is_a_plane_of_its_own() -> None:
    scene = Tabletop(45.0, distance_m=1.6, table_m=0.45, floor_m=-0.7)
    scene.put((0.0, 0.0), (0.2, 0.2, 0.2)).put((-1.0, 0.2), (0.3, 0.3, 0.3), bottom=-0.7)
    _, support = measured(scene, TABLE, FLOOR, FIRST, SECOND)
    assert len(support.planes) == 2 and support.is_surface.tolist() == [True, True, False, False]
    heights = [plane.heights_m(scene.in_camera(np.zeros((1, 3))))[0] for plane in support.planes]
    table, floor = int(np.argmin(heights)), int(np.argmax(heights))
    assert heights[floor] == pytest.approx(0.7, abs=0.01)
    assert support.supported_by[2:].tolist() == [table, floor]
    assert support.tops_m[2:].tolist() == pytest.approx([0.2, 0.3], abs=0.015)


def test_the_top_of_a_carton_is_no_plane_of_the_scene() -> None:
    _, support = measured(Tabletop(45.0).put((0, 0), (0.4, 0.3, 0.2)), FIRST)
    assert len(support.planes) == 1 and support.supported_by.tolist() == [0] and not support.is_surface[0]


def test_a_wall_carries_nothing() -> None:
    scene = Tabletop(20.0, distance_m=1.2, table_m=0.9).put((0, 1.0), (6.0, 0.1, 3.0), bottom=-1.5)
    _, support = measured(scene, FIRST)
    assert all(plane.normal @ (scene.axes @ [0, 0, 1.0]) > 0.98 for plane in support.planes)
    assert not support.is_surface[0]


def test_nothing_to_stand_on() -> None:
    mask = [MaskCrop(5, 5, np.ones((40, 40), bool))]
    for depth in (np.zeros(SIZE_HW, np.float32), np.random.default_rng(0).uniform(0.5, 3, SIZE_HW).astype(np.float32)):
        found = measure(Instances.from_masks(SIZE_HW, mask, np.ones(1, np.float32)), depth, CAMERA)
        assert found.support is not None and found.support.planes == () and found.support.supported_by[0] == -1
        assert np.isnan(found.support.tops_m[0]) and len(found.without_surfaces()) == 1
    assert measure(Instances.empty(SIZE_HW), np.ones(SIZE_HW, np.float32), None).support is None


def test_a_surface_that_is_half_hidden_stays_one_for_its_track() -> None:
    """A hand over the table must not bring the table back for a frame."""
    scene = Tabletop(45.0, table_m=0.5)
    depth, owner = scene.drawn(NOISE_M)
    memory = BoxMemory()
    whole = dataclasses.replace(scene.instances(owner, TABLE), track_ids=np.array([7], np.int32))
    part = owner == TABLE
    part[:, 80:] = False
    left = Instances.from_masks(SIZE_HW, [MaskCrop.from_dense(part)], np.ones(1, np.float32))
    assert part.sum() < 0.3 * (owner == TABLE).sum()
    for tracked, wanted in ((whole, True), (dataclasses.replace(left, track_ids=np.array([7], np.int32)), True)):
        support = memory.locate(tracked, depth, CAMERA).support
        assert support is not None and support.is_surface.tolist() == [wanted]
    fresh = BoxMemory().locate(left, depth, CAMERA).support
    assert fresh is not None and not fresh.is_surface[0]


def planes_of(memory: BoxMemory, scene: Tabletop, seed: int) -> tuple[Plane, ...]:
    depth, _ = scene.drawn(NOISE_M, seed)
    support = memory.locate(Instances.empty(SIZE_HW), depth, CAMERA).support
    assert support is not None
    return support.planes


def assert_alike(found: tuple[Plane, ...], expected: tuple[Plane, ...]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.degrees(np.arccos(min(1.0, one.normal @ other.normal))) < 0.3
        assert np.abs(one.heights_m(other.outline_m)).max() < 0.01
        assert one.pixels == pytest.approx(other.pixels, rel=0.05) and one.area_m2 == pytest.approx(
            other.area_m2, rel=0.05
        )


def test_known_planes_are_those_that_a_search_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The camera tilts and comes nearer; each frame is compared with a search, which the stream itself seldom makes."""
    searches = 0

    def search(*arguments: object) -> tuple[Plane, ...]:
        nonlocal searches
        searches += 1
        return support_planes(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(standing, "support_planes", search)
    memory, frames, in_stream = BoxMemory(), 2 * SEARCH_EVERY, 0
    for k in range(frames):
        scene = Tabletop(45.0 - 0.3 * k, distance_m=1.6 - 0.01 * k, table_m=0.45, floor_m=-0.7)
        before = searches
        found = planes_of(memory, scene, seed=k)
        in_stream += searches - before
        assert_alike(found, planes_of(BoxMemory(), scene, seed=k))
    assert frames / SEARCH_EVERY <= in_stream < frames / 3


def test_planes_that_come_and_go_are_noticed_at_once() -> None:
    memory = BoxMemory()
    table = Tabletop(45.0, distance_m=1.6, table_m=0.45)
    both = Tabletop(45.0, distance_m=1.6, table_m=0.45, floor_m=-0.7)
    nothing = Tabletop(45.0, distance_m=1.6, table_m=0.01)
    lowered = Tabletop(45.0, distance_m=1.6, table_m=0.01, floor_m=-0.1)
    for k, (scene, count) in enumerate(
        [(table, 1), (both, 2), (both, 2), (table, 1), (nothing, 0), (table, 1), (lowered, 1), (both, 2)]
    ):
        found = planes_of(memory, scene, seed=k)
        assert len(found) == count, k
        assert_alike(found, planes_of(BoxMemory(), scene, seed=k))
    before = memory.locate(Instances.empty(SIZE_HW), table.drawn()[0], CAMERA, remember=False).support
    assert (
        before is not None and len(before.planes) == 1
    )  # a picture of its own among the frames, as ~/segment has them
    assert len(planes_of(memory, both, seed=9)) == 2


def test_a_moved_plane_has_the_heights_that_it_had() -> None:
    rng = np.random.default_rng(3)
    rotation, translation = cv2.Rodrigues(rng.normal(size=3))[0], rng.normal(size=3)
    normal = rng.normal(size=3)
    a, b, c = (normal / np.linalg.norm(normal)).tolist()
    plane = Plane((a, b, c, 0.4), rng.normal(size=(5, 3)).astype(np.float32), 1.0, 10)
    points = rng.normal(size=(20, 3))
    moved = plane.moved(rotation, translation)
    np.testing.assert_allclose(moved.heights_m(points @ rotation.T + translation), plane.heights_m(points), atol=1e-9)
    np.testing.assert_allclose(moved.outline_m, plane.outline_m @ rotation.T + translation, atol=1e-5)


def test_selected_instances_keep_their_support_and_coco_tells_it() -> None:
    scene = Tabletop(45.0, table_m=0.5).put((0.1, 0.0), (0.1, 0.1, 0.1))
    found, _ = measured(scene, TABLE, FIRST)
    left = found.without_surfaces()
    assert len(left) == 1 and left.support is not None and left.support.supported_by.tolist() == [0]
    table, box = found.to_coco()
    assert table["is_surface"] and table["plane"] is None and table["top_above_plane_m"] is None
    assert box["supported_by"] == 0 and box["top_above_plane_m"] == pytest.approx(0.1, abs=0.006)
    assert box["plane"] == pytest.approx(left.support.planes[0].coefficients, abs=1e-5)
    assert box["centroid_m"] == pytest.approx(found.centroids_m[1], abs=1e-4)
    assert box["distance_m"] == pytest.approx(found.distances_m[1], abs=1e-4) and 0 < box["valid_depth_ratio"] <= 1
    for name in ("centers_m", "quaternions_xyzw", "sizes_m"):
        assert box["box3d"][name] == pytest.approx(getattr(found.boxes3d, name)[1], abs=1e-4)
    colour_alone = json.loads(json.dumps(scene.instances(scene.drawn()[1], TABLE).to_coco()))[0]
    assert not {"plane", "distance_m", "centroid_m", "box3d"} & set(colour_alone)


def test_coco_of_what_has_no_depth_is_valid_json() -> None:
    scene = Tabletop(45.0, table_m=0.5).put((0.1, 0.0), (0.1, 0.1, 0.1))
    found = measure(scene.instances(scene.drawn()[1], FIRST), np.zeros(SIZE_HW, np.float32), CAMERA)
    [told] = json.loads(json.dumps(found.to_coco(), allow_nan=False))
    assert told["distance_m"] is None and told["valid_depth_ratio"] == 0 and told["centroid_m"] == [None] * 3
    assert told["box3d"] == {"centers_m": [None] * 3, "quaternions_xyzw": [None] * 4, "sizes_m": [None] * 3}


@pytest.mark.parametrize("table_m", [0.5, 0.01], ids=["a plane", "no plane"])
def test_support_is_kept_on_the_disk_exactly(table_m: float) -> None:
    scene = Tabletop(45.0, table_m=table_m).put((0.1, 0.0), (0.1, 0.1, 0.1))
    found, support = measured(scene, FIRST)
    back = unpacked(packed(found)).support
    assert back is not None and len(back.planes) == len(support.planes) == (table_m > 0.1)
    for name in SUPPORT_ARRAYS:
        np.testing.assert_array_equal(getattr(back, name), getattr(support, name))
    for one, other in zip(back.planes, support.planes, strict=True):
        assert (one.coefficients, one.area_m2, one.pixels) == (other.coefficients, other.area_m2, other.pixels)
        np.testing.assert_array_equal(one.outline_m, other.outline_m)


PHOTOS = sorted(path.name.removesuffix("-color.png") for path in REAL.glob("*-color.png"))
TABLE_SHARE = 0.2
"""A mask of more of the picture than this, with hardly a labelled object in it, is the table on these photographs."""


def photo(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, CameraIntrinsics]:
    """Colour, depth in metres and labels, with the intrinsics that OSD and YCB-Video give for their cameras."""
    image_rgb = cv2.cvtColor(cv2.imread(str(REAL / f"{name}-color.png")), cv2.COLOR_BGR2RGB)
    depth_m = cv2.imread(str(REAL / f"{name}-depth.png"), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
    labels = cv2.imread(str(REAL / f"{name}-label.png"), cv2.IMREAD_UNCHANGED)
    of_ycb = name.startswith("ycbv")
    numbers = (1066.778, 1067.487, 312.9869, 241.3109) if of_ycb else (525.0, 525.0, 319.5, 239.5)
    return image_rgb, depth_m, labels, CameraIntrinsics(*numbers, width=labels.shape[1], height=labels.shape[0])


def tables(instances: Instances, labels: np.ndarray) -> int:
    return sum(
        mask.area > TABLE_SHARE * labels.size and (labels[mask.window][mask.crop] > 0).mean() < 0.1
        for mask in instances.masks
    )


@pytest.mark.skipif(not PHOTOS, reason=f"needs the real photographs in {REAL}, or SAOM_REAL_PHOTOS")
def test_no_table_of_a_real_photograph_is_an_object_to_grasp_and_no_object_a_surface() -> None:
    """`pytest -s` prints the counts."""
    segmenter = load_segmenter(SaomConfig(threads=1, drop_surfaces=False))
    assert isinstance(segmenter, OnnxSegmenter)
    before = after = objects = wrong = planes = 0
    for name in PHOTOS:
        image_rgb, depth_m, labels, camera = photo(name)
        found = segmenter.segment(image_rgb, depth_m, camera).instances
        before, after = before + tables(found, labels), after + tables(found.without_surfaces(), labels)
        true = [MaskCrop.from_dense(labels == value) for value in np.unique(labels[labels > 0])]
        given = Instances.from_masks(found.size_hw, true, np.ones(len(true), np.float32))
        support = measure(given, depth_m, camera).support
        assert support is not None and found.support is not None
        planes += bool(support.planes)
        objects, wrong = objects + len(true), wrong + int(support.is_surface.sum())
        for k in np.flatnonzero(found.support.is_surface):
            mask = found.masks[k]
            assert (labels[mask.window][mask.crop] > 0).mean() < 0.1, (name, "an object of the answer is a surface")
    print(
        f"\n{len(PHOTOS)} photographs, a plane found in {planes}; tables among the answers: {before} before, {after} "
        f"after; of {objects} labelled objects {wrong} are taken for surfaces"
    )
    assert planes == len(PHOTOS) and before >= 5 and after == 0 and wrong == 0
