"""Depth of one camera seen from another, against a loop over pixels and against scenes drawn from both places."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from tabletop import CAMERA, SIZE_HW, Tabletop

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.places.registration import OVERLAP_PX, Registration
from saom_core.places.rigid import RigidTransform

STILL = RigidTransform(np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3))


def turned(vector: tuple[float, float, float], shift: tuple[float, float, float]) -> tuple[RigidTransform, np.ndarray]:
    """A transform and its (4, 4) matrix."""
    angle = float(np.linalg.norm(vector))
    quaternion = np.append(np.array(vector) / angle * np.sin(angle / 2), np.cos(angle / 2))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = cv2.Rodrigues(np.array(vector))[0], shift
    return RigidTransform(quaternion, np.array(shift)), matrix


def naive(depth: np.ndarray, source: CameraIntrinsics, matrix: np.ndarray, target: CameraIntrinsics) -> np.ndarray:
    """Each depth pixel as a square, drawn pixel by pixel; the nearest wins. Pinhole cameras only."""
    out = np.zeros((target.height, target.width))
    for v in range(source.height):
        for u in range(source.width):
            z = float(depth[v, u])
            if not (np.isfinite(z) and z > 0):
                continue
            seen = matrix @ [(u - source.cx) / source.fx * z, (v - source.cy) / source.fy * z, z, 1.0]
            if seen[2] <= 0:
                continue
            x, y = seen[0] / seen[2] * target.fx + target.cx, seen[1] / seen[2] * target.fy + target.cy
            wide = z / source.fx * target.fx / seen[2] / 2 + OVERLAP_PX
            high = z / source.fy * target.fy / seen[2] / 2 + OVERLAP_PX
            covered = {(int(np.floor(x + 0.5)), int(np.floor(y + 0.5)))}
            for row in range(int(y) - 12, int(y) + 13):
                for column in range(int(x) - 12, int(x) + 13):
                    if x - wide <= column < x + wide and y - high <= row < y + high:
                        covered.add((column, row))
            for column, row in covered:
                if 0 <= column < target.width and 0 <= row < target.height:
                    out[row, column] = min(out[row, column] or np.inf, seen[2])
    return out


@pytest.mark.parametrize("size_hw", [(24, 32), (48, 64), (90, 120)], ids=["coarser", "the same", "finer"])
def test_as_a_loop_over_pixels_does_it(size_hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    scale = size_hw[1] / 64
    source = CameraIntrinsics(60 * scale, 58 * scale, 31.2 * scale, 24.1 * scale, size_hw[1], size_hw[0])
    target = CameraIntrinsics(55.0, 56.0, 30.0, 23.0, 64, 48)
    depth = cv2.resize(rng.uniform(0.5, 2.0, (6, 8)), size_hw[::-1], interpolation=cv2.INTER_NEAREST).astype(np.float32)
    depth[3:5, 4:9] = 0.0, np.nan, np.inf, -1.0, 0.0
    pose, matrix = turned((0.03, -0.05, 0.02), (0.06, -0.01, 0.02))
    registered = Registration(source, pose, target)(depth)
    assert registered.dtype == np.float32 and registered.shape == (48, 64)
    expected = naive(depth, source, matrix, target)
    differs = ~np.isclose(registered, expected, rtol=1e-4)
    assert differs.mean() < 0.002, "float32 rounds a square's edge to another pixel now and then"
    assert (expected > 0).mean() > 0.6


def test_the_same_camera_gives_the_same_depth() -> None:
    depth, _ = Tabletop(45.0).put((0, 0), (0.2, 0.1, 0.1)).drawn()
    np.testing.assert_allclose(Registration(CAMERA, STILL, CAMERA)(depth), depth, rtol=1e-6)


@pytest.mark.parametrize("factor", [2, 4])
def test_half_and_quarter_size_of_the_same_camera_leave_no_hole(factor: int) -> None:
    """The middle of a large pixel lies between those of the small ones: a box stands where it stood."""
    scene = Tabletop(90.0).put((0.0, 0.0), (0.2, 0.15, 0.1))
    fine, owner = scene.drawn()
    small = fine[factor // 2 :: factor, factor // 2 :: factor]
    offset = factor // 2  # these pixels were taken from there
    camera = CameraIntrinsics(
        CAMERA.fx / factor, CAMERA.fy / factor, (CAMERA.cx - offset) / factor, (CAMERA.cy - offset) / factor,
        small.shape[1], small.shape[0],
    )  # fmt: skip
    registered = Registration(camera, STILL, CAMERA)(np.ascontiguousarray(small))
    inner = np.s_[factor:-factor, factor:-factor]
    assert (registered[inner] > 0).all()
    differs = np.abs(registered - fine)[inner] > 0.005
    edges = cv2.dilate(
        (cv2.Laplacian(owner.astype(np.uint8), cv2.CV_8U) > 0).astype(np.uint8), np.ones((2 * factor + 1,) * 2)
    )
    assert not (differs & (edges[inner] == 0)).any()


def test_what_is_behind_is_hidden_as_the_colour_camera_sees_it() -> None:
    """A scene drawn from two places: one's depth, registered, is the other's wherever both see the same."""
    scene = Tabletop(50.0).put((0.0, 0.0), (0.12, 0.12, 0.2)).put((0.2, 0.15), (0.1, 0.1, 0.1))
    moved = Tabletop(50.0, boxes=scene.boxes)
    depth, _ = scene.drawn()
    truth, _ = moved.drawn()
    # the colour camera stands 5 cm to the right: draw the scene moved to the left
    shifted = Tabletop(50.0, boxes=[((c[0] - 0.05, c[1], c[2]), size, turn) for c, size, turn in scene.boxes])
    truth, owner = shifted.drawn()
    pose = RigidTransform(np.array([0.0, 0.0, 0.0, 1.0]), np.array([-0.05, 0.0, 0.0]))
    registered = Registration(CAMERA, pose, CAMERA)(depth)
    both = registered > 0
    wrong = np.abs(registered - truth) > 0.01
    edges = cv2.dilate(cv2.Canny((owner * 60).astype(np.uint8), 10, 20), np.ones((5, 5))) > 0
    assert both.mean() > 0.85 and (wrong & both & ~edges).sum() < 0.01 * both.sum()


def test_raw_pictures_of_a_lens_are_registered_through_it() -> None:
    lens = CameraIntrinsics(285.0, 285.0, 159.5, 119.5, 320, 240, "plumb_bob", (-0.2, 0.05, 0.001, -0.001, 0.0))
    depth, _ = Tabletop(60.0).drawn()
    registered = Registration(CAMERA, STILL, lens)(depth)
    rows, columns = np.nonzero(registered[20:-20, 20:-20])
    rows, columns = rows[::3] + 20, columns[::3] + 20
    rays = lens.rays(rows, columns)
    source = CAMERA.project(rays)
    inside = (source > 1).all(axis=1) & (source < np.array(SIZE_HW[::-1]) - 2).all(axis=1)
    expected = cv2.remap(depth, source[:, :1].astype(np.float32), source[:, 1:].astype(np.float32), cv2.INTER_LINEAR)
    np.testing.assert_allclose(registered[rows, columns][inside], expected[inside, 0], rtol=0.01)


def test_projection_and_rays_agree() -> None:
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, 240, 50), rng.integers(0, 320, 50)
    rotation = tuple(tuple(row) for row in cv2.Rodrigues(np.array([0.02, 0.03, -0.01]))[0].tolist())
    for model, lens in (("", ()), ("plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0)), ("equidistant", (0.1, 0.01, 0.0, 0.0))):
        camera = CameraIntrinsics(285.0, 280.0, 159.5, 119.5, 320, 240, model, lens, rotation)
        np.testing.assert_allclose(
            camera.project(camera.rays(rows, columns) * 1.7), np.column_stack([columns, rows]), atol=0.05
        )
    assert np.isnan(CAMERA.project(np.array([[0.0, 0.0, -1.0]]))).all() and CAMERA.project(np.empty((0, 3))).shape == (
        0,
        2,
    )


def test_nothing_measured_and_wrong_sizes() -> None:
    assert not Registration(CAMERA, STILL, CAMERA)(np.zeros(SIZE_HW, np.float32)).any()
    behind = RigidTransform(np.array([0.0, 1.0, 0.0, 0.0]), np.zeros(3))
    assert not Registration(CAMERA, behind, CAMERA)(np.ones(SIZE_HW, np.float32)).any()
    with pytest.raises(InputError, match="expected the size of its camera_info, 320x240, got 10x5"):
        Registration(CAMERA, STILL, CAMERA)(np.ones((5, 10), np.float32))


WIDE = CameraIntrinsics(
    126.0, 126.0, 128.0, 128.0, 256, 256, "rational_polynomial", (4.0, 2.7, 0.0, 0.0, 0.14, 4.3, 4.0, 0.75)
)
"""As an Azure Kinect's wide depth camera, at a quarter of its resolution."""


def test_pixels_of_a_wide_lens_leave_no_seams() -> None:
    """Towards the border of its picture a pixel covers more than 1 / fx."""
    narrow = CameraIntrinsics(250.0, 250.0, 159.5, 119.5, 320, 240)
    registered = Registration(WIDE, STILL, narrow)(np.full((256, 256), 1.0, np.float32))
    np.testing.assert_allclose(registered[registered > 0], 1.0, rtol=1e-6)
    assert (registered > 0).mean() > 0.999


def test_what_a_lens_cannot_see_is_not_folded_back_into_its_picture() -> None:
    """Far outside a picture the polynomial turns round, and points there would be drawn in the middle of it."""
    lens = CameraIntrinsics(350.0, 350.0, 159.5, 119.5, 320, 240, "plumb_bob", (-0.33, 0.11, 0.0, 0.0, -0.02))
    depth = np.full((256, 256), 2.0, np.float32)
    x, y, z = WIDE.ray_maps
    with np.errstate(invalid="ignore"):
        aside = np.hypot(x / z, y / z) > 1.2  # beside what the lens sees: its corner is at 0.65
    depth[aside] = 0.5
    registered = Registration(WIDE, STILL, lens)(depth)
    assert aside.sum() > 1000 and (registered > 0).mean() > 0.99
    np.testing.assert_allclose(registered[registered > 0], 2.0, rtol=1e-6)
    outside = np.array([[2.0, 0.0, 1.0], [-3.0, 1.0, 1.0]])
    assert np.isnan(lens.project(outside)).all() and np.isfinite(lens.project(np.array([[0.45, 0.3, 1.0]]))).all()


def test_depth_of_a_raw_picture_lies_along_its_own_axis() -> None:
    """Its rays times its depth are points in the frame of the rectified picture, also where R turns that."""
    rotation = tuple(tuple(row) for row in cv2.Rodrigues(np.array([0.0, np.radians(3.0), 0.0]))[0].tolist())
    raw = CameraIntrinsics(285.0, 285.0, 159.5, 119.5, 320, 240, rotation=rotation)
    depth, _ = Tabletop(45.0).drawn()
    registered = Registration(CAMERA, STILL, raw)(depth)
    rows, columns = np.nonzero(registered[20:-20, 20:-20])
    points = raw.rays(rows + 20, columns + 20) * registered[rows + 20, columns + 20, None]
    pixels = np.rint(CAMERA.project(points)).astype(int)
    inside = ((pixels >= 0) & (pixels < [320, 240])).all(axis=1)
    assert inside.mean() > 0.8
    true = depth[pixels[inside, 1], pixels[inside, 0]]
    np.testing.assert_allclose(points[inside, 2], true, atol=0.008)
