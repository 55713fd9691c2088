"""examples/pick without ROS: its table, its camera, what comes next, and the way of one thing into the box."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from saom_core.errors import ConfigError
from saom_training.grasping.clouds import world_points
from saom_training.grasping.gripper import gripper_file
from saom_training.grasping.planner import plan

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "pick"


@pytest.fixture(scope="module")
def pick() -> Iterator[Any]:
    """The example's modules, which find each other beside them, and its table with three things."""
    try:
        gripper_file()
    except ConfigError as error:
        pytest.skip(str(error))
    sys.path.insert(0, str(EXAMPLE))
    try:
        import picking
        import table
    finally:
        sys.path.remove(str(EXAMPLE))
    made = table.Table(seed=3, count=3)
    yield SimpleNamespace(table=made, picking=picking)
    made.renderer.close()


@pytest.mark.slow
def test_a_thing_goes_from_the_table_into_the_box(pick: Any) -> None:
    table = pick.table
    assert table.left_and_boxed() == (3, 0)
    shot = table.shoot()
    assert shot.image_rgb.shape == (480, 640, 3) and shot.depth_m.shape == (480, 640)
    assert np.mean(shot.depth_m > 0) > 0.8 and table.film().shape == (288, 384, 3)
    geoms, _ = table.renderer.surface(table.view)
    ids = np.where(geoms >= 0, table.world.geom_object[geoms], -1)
    points = world_points(shot.depth_m, table.view.camera, table.view.pose)
    valid, boxed = np.isfinite(points[..., 2]), 0
    for number in (1, 2, 3):
        mask = ids == number
        grasp = plan(points[mask & valid], points[~mask & valid], table.view.pose[:3, 3], np.random.default_rng(0))
        boxed += grasp is not None and pick.picking.carry(table, grasp)
        table.bench.restore()
        if boxed:
            break
    assert boxed
    # what `carry` says of its fingers, the simulator knows of the thing
    assert grasp is not None and pick.picking.carry(table, grasp)
    table.bench.wait(0.5)
    assert table.left_and_boxed() == (2, 1)
    empty = grasp
    empty.pose[2, 3] += 0.2  # where nothing is
    assert not pick.picking.carry(table, empty)


@pytest.mark.slow
def test_the_nearest_thing_on_the_table_comes_first_and_what_failed_last(pick: Any) -> None:
    table = pick.table
    turn, eye = table.view.pose[:3, :3], table.view.pose[:3, 3]

    def instance(track: int, xy: tuple[float, float], distance: float, surface: bool = False) -> Any:
        x, y, z = turn.T @ (np.array([*xy, table.height_m + 0.03]) - eye)
        centroid = SimpleNamespace(x=x, y=y, z=z)
        return SimpleNamespace(track_id=track, centroid=centroid, distance=distance, is_surface=surface)

    near, far = instance(1, (0.0, -0.1), 0.7), instance(2, (0.1, 0.1), 0.9)
    others = [instance(3, (2.0, 0.0), 0.5), instance(-1, (0.0, 0.0), 0.5), instance(4, (0.0, 0.0), 0.5, surface=True)]
    answer = SimpleNamespace(instances=[*others, far, near])
    failed = [np.array([0.0, -0.1, table.height_m + 0.03])]
    assert pick.picking.choose(answer, table, []) is near
    assert pick.picking.choose(answer, table, failed) is far
    assert pick.picking.choose(SimpleNamespace(instances=[near]), table, failed) is near  # once more
    assert pick.picking.choose(SimpleNamespace(instances=[near]), table, 2 * failed) is None
    assert pick.picking.choose(SimpleNamespace(instances=others), table, []) is None
