"""The gripper in physics: a good grasp of a box on a table lifts it, a bad one does not, and contacts are real."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from saom_core.errors import ConfigError
from saom_training.grasping.execution import Bench
from saom_training.grasping.gripper import PAD_M, add_gripper, gripper_file
from saom_training.grasping.jaw import Jaw, boxes_of
from saom_training.grasping.planner import Grasp, plan
from saom_training.simulators.rooms import options as rooms_options

EDGES = np.array([0.05, 0.12, 0.06])
EYE = np.array([0.5, -0.4, 0.7])


def needs_robosuite() -> None:
    try:
        gripper_file()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture
def bench() -> Bench:
    """A box of 200 g on the ground."""
    needs_robosuite()
    spec = mujoco.MjSpec()
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 0.1], friction=[0.8, 0.01, 0.001])
    body = spec.worldbody.add_body(name="box", pos=[0, 0, EDGES[2] / 2])
    body.add_freejoint()
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=EDGES / 2, mass=0.2, friction=[0.8, 0.01, 0.001], condim=4)
    add_gripper(spec)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return Bench(model, data)


def from_above(position: tuple[float, float, float], closing_xy: tuple[float, float] = (1.0, 0.0)) -> Grasp:
    y, z = np.array([*closing_xy, 0.0]), np.array([0.0, 0.0, -1.0])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.stack([np.cross(y, z), y, z], axis=1), position
    return Grasp(pose, 0.075, 1.0)


def attempt(bench: Bench, grasp: Grasp) -> tuple[bool, float]:
    bench.restore()
    outcome = bench.attempt(grasp, bench.model.body("box").id)
    return outcome.held, outcome.rise_m


def test_a_box_is_lifted_where_it_is_grasped_across_its_middle_alone(bench: Bench) -> None:
    held, rise_m = attempt(bench, from_above((0.0, 0.0, 0.04)))
    assert held and rise_m == pytest.approx(0.18, abs=0.01)
    held, rise_m = attempt(bench, from_above((0.2, 0.0, 0.04)))  # beside the box
    assert not held and abs(rise_m) < 0.005
    held, _ = attempt(bench, from_above((0.0, 0.0, 0.04), (0.0, 1.0)))  # across 12 cm, which the jaw cannot span
    assert not held
    held, rise_m = attempt(bench, from_above((0.0, 0.0, 0.078)))  # the pads close above it
    assert not held and rise_m < 0.15
    assert attempt(bench, from_above((0.0, 0.0, 0.04)))[0]  # and none of these has left a trace


def test_without_friction_the_box_slips_away(bench: Bench) -> None:
    for geom in range(bench.model.ngeom):
        bench.model.geom_friction[geom] = [0.02, 0.0001, 0.0001]
    held, rise_m = attempt(bench, from_above((0.0, 0.0, 0.04)))
    assert not held and rise_m < 0.05


def test_the_planned_grasp_of_a_box_that_is_seen_from_one_side_lifts_it(bench: Bench) -> None:
    lines = [(np.arange(n) + 0.5) / n - 0.5 for n in (13, 30, 15)]
    x, y, z = (axis.ravel() for axis in np.meshgrid(*lines))
    faces = [np.stack([x, y, np.full_like(x, 0.5)], 1), np.stack([np.full_like(x, 0.5), y, z], 1)]
    faces.append(np.stack([x, np.full_like(x, -0.5), z], 1))  # those three that a camera at EYE sees
    seen = np.unique(np.concatenate(faces) * EDGES, axis=0) + (0, 0, EDGES[2] / 2)
    ground = np.stack(np.meshgrid(np.arange(-0.3, 0.3, 0.006), np.arange(-0.3, 0.3, 0.006), [0.0]), -1).reshape(-1, 3)
    grasp = plan(seen, ground, EYE, np.random.default_rng(0))
    assert grasp is not None
    assert attempt(bench, grasp)[0]


def test_the_jaw_of_the_planner_encloses_the_gripper_of_the_physics(bench: Bench) -> None:
    """All that collides of the hand lies inside the planner's boxes, up to 3 mm, and they are no larger than needed."""
    opening = 0.06
    bench.gripper.put(from_above((0.0, 0.0, 0.5)).pose, opening)
    mujoco.mj_forward(bench.model, bench.data)
    pose, boxes = from_above((0.0, 0.0, 0.5)).pose, boxes_of(Jaw(), np.array([opening]))[0]
    points = []
    for geom in range(bench.model.ngeom):
        name = bench.model.geom(geom).name
        if not name.startswith("hand/") or not name.endswith("_collision"):
            continue
        turn, place = bench.data.geom_xmat[geom].reshape(3, 3), bench.data.geom_xpos[geom]
        if bench.model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH:
            mesh = bench.model.geom_dataid[geom]
            first, count = bench.model.mesh_vertadr[mesh], bench.model.mesh_vertnum[mesh]
            local = bench.model.mesh_vert[first : first + count]
        else:
            signs = np.array([(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)])
            local = signs * bench.model.geom_size[geom]
        points.append((local @ turn.T + place - pose[:3, 3]) @ pose[:3, :3])
    hand = np.concatenate(points)
    inside = [np.all((hand > low - 0.003) & (hand < high + 0.003), axis=1) for low, high in boxes]
    assert np.any(inside, axis=0).all()
    assert hand[:, 2].max() == pytest.approx(Jaw().tip_m, abs=0.002)
    assert np.abs(hand[:, 1]).max() == pytest.approx(Jaw().hand_half_m[1], abs=0.003)
    assert pose[2, 3] + PAD_M == pytest.approx(bench.data.mocap_pos[0, 2])


def test_without_robosuite_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rooms_options.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install --no-deps robosuite"):
        gripper_file()
