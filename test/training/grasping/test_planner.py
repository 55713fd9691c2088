"""Antipodal pairs and grasps on shapes whose answers are known: a box and a cylinder, seen whole and from one side."""

from __future__ import annotations

import numpy as np
import pytest

from saom_training.grasping.antipodal import antipodal_pairs
from saom_training.grasping.clouds import normals_of, support_height_m, thinned
from saom_training.grasping.completion import Surface, completed
from saom_training.grasping.jaw import Jaw, boxes_of, lowest_m, points_in_the_way
from saom_training.grasping.planner import Grasp, plan

EYE = np.array([0.5, -0.4, 0.7])


def box(edges: tuple[float, float, float], step: float = 0.004) -> Surface:
    """A box on the plane z = 0, its middle above the origin, with exact normals."""
    points, normals = [], []
    for axis in range(3):
        others = [k for k in range(3) if k != axis]
        lines = [(np.arange(round(edges[k] / step)) + 0.5) * edges[k] / round(edges[k] / step) for k in others]
        grid = np.stack(np.meshgrid(*lines), axis=-1).reshape(-1, 2)
        for side in (0.0, 1.0):
            face = np.empty((len(grid), 3))
            face[:, others], face[:, axis] = grid, side * edges[axis]
            points.append(face - (edges[0] / 2, edges[1] / 2, 0))
            normals.append(np.broadcast_to((2 * side - 1) * np.eye(3)[axis], face.shape))
    return Surface(np.concatenate(points), np.concatenate(normals))


def cylinder(radius: float, height: float) -> Surface:
    """An upright cylinder on z = 0 with its lid."""
    angle, z = np.meshgrid(np.arange(0, 2 * np.pi, 0.004 / radius), np.arange(0.002, height, 0.004))
    round_ = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=-1).reshape(-1, 3)
    side = round_ * radius + z.reshape(-1, 1) * (0, 0, 1)
    x, y = np.meshgrid(*[np.arange(-radius, radius, 0.004)] * 2)
    lid = np.column_stack([x.ravel(), y.ravel(), np.full(x.size, height)])
    lid = lid[np.linalg.norm(lid[:, :2], axis=1) < radius]
    normals = np.concatenate([round_, np.broadcast_to((0.0, 0.0, 1.0), lid.shape)])
    return Surface(np.concatenate([side, lid]), normals)


def table(around: float = 0.4) -> np.ndarray:
    x, y = np.meshgrid(*[np.arange(-around, around, 0.006)] * 2)
    return np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])


def seen_from(surface: Surface, eye: np.ndarray) -> Surface:
    """What of a convex shape a camera sees."""
    return surface.select(np.einsum("ni,ni->n", eye - surface.points, surface.normals) > 1e-3)


@pytest.mark.parametrize("friction", [0.1, 0.5, 1.0])
def test_antipodal_pairs_are_those_that_the_friction_cones_allow_one_by_one(friction: float) -> None:
    rng = np.random.default_rng(0)
    points, normals = rng.uniform(-0.05, 0.05, (60, 3)), rng.normal(size=(60, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    pairs, met = antipodal_pairs(Surface(points, normals), friction, (0.01, 0.08))
    expected = {}
    for i in range(60):
        for j in range(i + 1, 60):
            line = points[j] - points[i]
            length = float(np.linalg.norm(line))
            if not 0.01 <= length <= 0.08:
                continue
            angles = [
                float(np.arccos(np.clip(sign * line @ normal / length, -1, 1)))
                for sign, normal in ((-1, normals[i]), (1, normals[j]))
            ]
            if max(angles) <= np.arctan(friction):
                expected[(i, j)] = np.cos(max(angles))
    assert expected or friction < 0.5
    assert {tuple(pair) for pair in pairs.tolist()} == set(expected)
    np.testing.assert_allclose(met, [expected[tuple(pair)] for pair in pairs.tolist()], atol=1e-9)


def test_pairs_of_a_box_join_its_opposite_sides() -> None:
    shape = box((0.04, 0.12, 0.05), 0.01)
    pairs, _ = antipodal_pairs(shape, 0.2, (0.005, 0.08))
    first, second = shape.normals[pairs[:, 0]], shape.normals[pairs[:, 1]]
    assert len(pairs)
    np.testing.assert_allclose(first, -second)
    assert np.abs(first[:, 1]).max() == 0  # 12 cm is wider than the jaw


def test_pairs_of_a_cylinder_pass_near_its_axis() -> None:
    shape = cylinder(0.03, 0.1)
    rng = np.random.default_rng(1)
    shape = shape.select(rng.choice(np.flatnonzero(shape.normals[:, 2] == 0), 500, replace=False))
    friction = 0.2
    pairs, _ = antipodal_pairs(shape, friction, (0.005, 0.08))
    a, b = shape.points[pairs[:, 0], :2], shape.points[pairs[:, 1], :2]
    off_axis = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / np.linalg.norm(b - a, axis=1)
    assert len(pairs) > 20
    # a chord at the angle of the friction cone passes the axis at radius * sin of it
    assert off_axis.max() <= 0.03 * np.sin(np.arctan(friction)) + 1e-9


def test_the_hidden_side_of_a_box_and_of_a_cylinder_is_completed() -> None:
    for whole in (box((0.05, 0.08, 0.06)), cylinder(0.03, 0.08)):
        seen = seen_from(whole, EYE)
        full = completed(seen, 0.0)
        sides = whole.points[(np.abs(whole.normals[:, 2]) < 0.5) & (whole.points[:, 2] > 0.008)]
        distance = np.linalg.norm(full.points[None] - sides[:, None], axis=2).min(axis=1)
        assert np.quantile(distance, 0.95) < 0.008
        new = full.points[len(seen.points) :]
        assert np.linalg.norm(new[:, None] - whole.points[None], axis=2).min(axis=1).max() < 0.008


def test_normals_look_towards_the_camera_and_away_from_the_surface() -> None:
    seen = seen_from(cylinder(0.04, 0.1), EYE)
    seen = seen.select(seen.points[:, 2] < 0.09)  # away from the edge of the lid
    agreement = np.einsum("ni,ni->n", normals_of(seen.points, EYE), seen.normals)
    assert np.median(agreement) > 0.98


def test_thinning_keeps_the_mean_of_each_cube_and_the_support_is_where_the_table_is() -> None:
    np.testing.assert_allclose(
        thinned(np.array([[0.001, 0, 0], [0.003, 0, 0], [0.009, 0, 0]])), [[0.002, 0, 0], [0.009, 0, 0]]
    )
    rng = np.random.default_rng(2)
    noisy = table() + rng.normal(0, 0.002, table().shape) + (0, 0, 0.7)
    target = seen_from(box((0.05, 0.05, 0.1)), EYE).points + (0, 0, 0.7)
    assert support_height_m(target, noisy) == pytest.approx(0.7, abs=0.002)


def closing_line(grasp: Grasp) -> np.ndarray:
    return grasp.pose[:3, 1]


def test_a_box_seen_from_one_side_is_grasped_across_its_narrow_side() -> None:
    seen = seen_from(box((0.05, 0.12, 0.06)), EYE)
    grasp = plan(seen.points, table(), EYE, np.random.default_rng(0))
    assert grasp is not None
    assert abs(closing_line(grasp)[0]) > np.cos(np.arctan(0.5))
    assert np.all(np.abs(grasp.pose[:2, 3]) < (0.02, 0.06)) and 0.0 < grasp.pose[2, 3] < 0.06
    assert 0.05 <= grasp.opening_m <= 0.08


def test_nothing_is_planned_for_what_is_wider_than_the_jaw_or_has_no_points() -> None:
    rng = np.random.default_rng(0)
    wide = seen_from(box((0.2, 0.2, 0.12)), EYE)
    assert plan(wide.points, table(), EYE, rng) is None
    assert plan(np.empty((0, 3)), table(), EYE, rng) is None
    assert plan(wide.points[:5], table(), EYE, rng) is None


def test_the_planned_jaw_touches_neither_a_neighbour_nor_the_table() -> None:
    """A wall stands 1 cm beside the narrow box: only along the wall is there room for a finger."""
    seen = seen_from(box((0.05, 0.05, 0.06)), EYE)
    wall = box((0.2, 0.02, 0.15)).points + (0, 0.025 + 0.01 + 0.01, 0)
    rest = np.concatenate([table(), wall])
    grasp = plan(seen.points, rest, EYE, np.random.default_rng(0))
    assert grasp is not None
    args = grasp.pose[None, :3, :3], grasp.pose[None, :3, 3], np.array([grasp.opening_m])
    assert points_in_the_way(Jaw(), *args, wall)[0] < 10
    assert lowest_m(Jaw(), *args)[0] > 0
    assert abs(closing_line(grasp)[0]) > 0.7


def test_points_in_the_way_are_those_inside_one_of_the_boxes() -> None:
    rng = np.random.default_rng(3)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    origin, openings = np.array([0.3, -0.2, 0.5]), np.array([0.05])
    points = origin + rng.uniform(-0.2, 0.2, (4000, 3))
    count = 0
    for point in points:
        local = turn.T @ (point - origin)
        count += any(np.all((local > low) & (local < high)) for low, high in boxes_of(Jaw(), openings)[0])
    assert count > 20
    assert points_in_the_way(Jaw(), turn[None], origin[None], openings, points).tolist() == [count]
