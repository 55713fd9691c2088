"""Pixels to metres through a lens: against its formulas, and against a simulated camera that draws through it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from lens import LENSES, project

from saom_core.camera import CameraIntrinsics, camera_doubt
from saom_core.errors import InputError
from saom_core.geometry.depth import back_project
from saom_core.instances import Instances, MaskCrop
from saom_core.places.measure import measure

SIZE = 640, 480


def camera_with(lens: str, rotation: tuple[tuple[float, float, float], ...] | None = None) -> CameraIntrinsics:
    model, coefficients = LENSES[lens]
    return CameraIntrinsics(520.0, 515.0, 322.3, 238.1, *SIZE, model, coefficients, rotation)


@pytest.mark.parametrize("lens", LENSES)
def test_the_ray_of_a_pixel_is_drawn_on_that_pixel(lens: str) -> None:
    camera = camera_with(lens)
    x, y, z = (np.broadcast_to(ray_map, SIZE[::-1]) for ray_map in camera.ray_maps)
    seen = project(np.column_stack([x.ravel(), y.ravel(), z.ravel()]).astype(float), camera)
    rows, columns = np.indices(SIZE[::-1])
    assert np.abs(seen - np.column_stack([columns.ravel(), rows.ravel()])).max() < 0.06


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("place", [(0.0, 0.0), (0.42, 0.28), (-0.45, 0.3), (0.4, -0.33)])
def test_metres_of_a_thing_that_a_lens_draws(lens: str, place: tuple[float, float]) -> None:
    """A patch of 8 cm at 1 m, drawn through the lens point by point, is found where it is."""
    camera = camera_with(lens)
    grid = np.linspace(-0.04, 0.04, 161)
    across, down = (axis.ravel() for axis in np.meshgrid(grid, grid))
    points = np.column_stack([place[0] + across, place[1] + down, 1.0 + 0.3 * across])
    columns, rows = np.round(project(points, camera)).astype(int).T
    assert rows.min() >= 0 and rows.max() < 480 and columns.min() >= 0 and columns.max() < 640, "not in the picture"
    depth, mask = np.zeros(SIZE[::-1], np.float32), np.zeros(SIZE[::-1], bool)
    depth[rows, columns], mask[rows, columns] = points[:, 2], True
    instances = Instances.from_masks(SIZE[::-1], [MaskCrop.from_dense(mask)], np.ones(1, np.float32))
    found = measure(instances, depth, camera)
    assert found.centroids_m is not None
    np.testing.assert_allclose(found.centroids_m[0], [*place, 1.0], atol=0.002)
    if place != (0.0, 0.0):  # without the lens the same picture gives centimetres of error: the test can fail
        plain = CameraIntrinsics(camera.fx, camera.fy, camera.cx, camera.cy, *SIZE)
        blind = measure(instances, depth, plain).centroids_m
        assert blind is not None and np.linalg.norm(blind[0] - [*place, 1.0]) > 0.005


def test_a_lens_without_distortion_is_a_pinhole() -> None:
    pinhole = CameraIntrinsics(520.0, 515.0, 322.3, 238.1, *SIZE)
    zeros = CameraIntrinsics(520.0, 515.0, 322.3, 238.1, *SIZE, "plumb_bob", (0.0,) * 5)
    assert zeros.is_pinhole
    rows, columns = np.array([0, 17, 479]), np.array([639, 5, 0])
    expected = np.column_stack([(columns - 322.3) / 520, (rows - 238.1) / 515, np.ones(3)])
    np.testing.assert_allclose(pinhole.rays(rows, columns), expected, rtol=1e-6)
    np.testing.assert_array_equal(zeros.rays(rows, columns), pinhole.rays(rows, columns))
    x, y, z = (np.broadcast_to(ray_map, SIZE[::-1]) for ray_map in pinhole.ray_maps)
    np.testing.assert_allclose(np.stack([x, y, z], axis=-1)[rows, columns], expected, rtol=1e-6)


def test_a_rotation_turns_the_points() -> None:
    angle = 0.02
    turn = ((np.cos(angle), 0.0, np.sin(angle)), (0.0, 1.0, 0.0), (-np.sin(angle), 0.0, np.cos(angle)))
    for lens in ("barrel", "fisheye"):
        rows, columns = np.array([40, 440]), np.array([600, 30])
        depths = np.array([0.7, 1.9], np.float32)
        plain = back_project(depths, rows, columns, camera_with(lens))
        turned = back_project(depths, rows, columns, camera_with(lens, turn))
        np.testing.assert_allclose(turned, plain @ np.array(turn).T, atol=1e-5)


def test_pixels_that_no_ray_reaches_have_no_metres() -> None:
    """A fisheye of more than half a turn: beyond 90 degrees nothing lies in front of the image plane."""
    wide = CameraIntrinsics(180.0, 180.0, 319.5, 239.5, *SIZE, "equidistant", (0.0, 0.0, 0.0, 1e-9))
    rows, columns = np.array([239, 239, 239, 5]), np.array([319, 500, 634, 635])
    rays = wide.rays(rows, columns)
    assert np.isfinite(rays[:2]).all() and np.isnan(rays[2:]).all()
    mask = np.zeros(SIZE[::-1], bool)
    mask[200:280, 610:640] = True  # all of it lies beyond
    instances = Instances.from_masks(SIZE[::-1], [MaskCrop.from_dense(mask)], np.ones(1, np.float32))
    found = measure(instances, np.ones(SIZE[::-1], np.float32), wide)
    assert found.centroids_m is not None and np.isnan(found.centroids_m).all() and found.distances_m[0] == 1.0


def test_the_rays_of_a_camera_are_computed_once() -> None:
    camera = camera_with("plumb bob")
    began = time.perf_counter()
    first = camera.ray_maps
    once = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(10):
        again = camera.ray_maps
    assert all(one is two for one, two in zip(first, again, strict=True))
    assert (time.perf_counter() - began) / 10 < once / 10


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fx": 0.0, "fy": 0.0}, "calibrated"),
        ({"cx": float("nan")}, "calibrated"),
        ({"distortion_model": "fov", "distortion": (0.9,)}, "expected one of the distortion models plumb_bob"),
        ({"distortion_model": "", "distortion": (0.1, 0.0, 0.0, 0.0)}, "got ''"),
        ({"distortion_model": "equidistant", "distortion": (0.1,) * 5}, "expected 4 coefficients, got 5"),
        ({"distortion_model": "plumb_bob", "distortion": (0.1,) * 3}, "expected 4 or 5"),
        ({"rotation": ((1.0, 0.0, 0.0), (0.0, 2.0, 0.0), (0.0, 0.0, 1.0))}, "rotation"),
    ],
)
def test_impossible_cameras_are_refused(changes: dict[str, object], reason: str) -> None:
    good: dict[str, object] = {"fx": 500.0, "fy": 500.0, "cx": 320.0, "cy": 240.0, "width": 640, "height": 480}
    with pytest.raises(InputError, match=reason):
        CameraIntrinsics(**{**good, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scale", "cut", "doubtful"),
    [(1.0, (0, 0), False), (1.0, (40, 30), False), (2.0, (0, 0), True), (0.5, (0, 0), True), (1.0, (0, 120), True)],
)
def test_intrinsics_of_another_resolution_are_doubted(scale: float, cut: tuple[int, int], doubtful: bool) -> None:
    """Those of a picture that was cut out of another one may be, too: it is a doubt."""
    cx, cy = scale * 319.7 - cut[0], scale * 239.7 - cut[1]
    doubt = camera_doubt(CameraIntrinsics(570.0 * scale, 570.0 * scale, cx, cy, 640, 480))
    assert bool(doubt) == doubtful
    assert not doubt or f"640x480 pixels, got cx {cx:g} and cy {cy:g}: unless the picture was cut" in doubt
