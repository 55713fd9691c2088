"""The small objects of the catalogue: closed meshes, true sizes, stable on a table, the same from the same seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import mujoco
import numpy as np
import pytest

from saom_core.taxonomy import CLASSES, OTHER
from saom_training.simulators.rooms.catalogue.small import BUILDERS
from saom_training.simulators.rooms.gallery import plain_spec
from saom_training.simulators.rooms.geometry import shapes
from saom_training.simulators.rooms.geometry.bounds import solid_bounds
from saom_training.simulators.rooms.geometry.model import Builder, ObjectModel

DRAWS = 12
PAIRS = [(name, builder) for name, group in BUILDERS.items() for builder in dict.fromkeys(group)]
every_builder = pytest.mark.parametrize(("name", "builder"), PAIRS, ids=[f"{n}-{b.__name__}" for n, b in PAIRS])


def draws(builder: Builder, count: int = DRAWS) -> list[ObjectModel]:
    return [builder(np.random.default_rng(seed)) for seed in range(count)]


def is_closed(mesh: shapes.Mesh) -> bool:
    """Welded by position, each directed edge has exactly one partner in the other direction."""
    _, welded = np.unique(np.round(mesh.vertices, 9), axis=0, return_inverse=True)
    corners = welded.reshape(-1)[mesh.faces]
    edges = Counter((int(t[k]), int(t[(k + 1) % 3])) for t in corners for k in range(3))
    edges = Counter({edge: count for edge, count in edges.items() if edge[0] != edge[1]})
    return all(edges[b, a] == count for (a, b), count in edges.items())


@pytest.mark.slow
def test_every_class_of_the_list_has_styles() -> None:
    assert set(BUILDERS) <= {*CLASSES, OTHER}  # that none is missing, a test of whole scenes sees
    for name, group in BUILDERS.items():
        styles = {builder(np.random.default_rng(seed)).style for builder in group for seed in range(40)}
        assert len(styles) >= 2, f"{name} has only {styles}"
    others = {builder(np.random.default_rng(seed)).style for builder in BUILDERS[OTHER] for seed in range(40)}
    assert len(others) >= 60


@every_builder
def test_model_is_well_formed(name: str, builder: Builder) -> None:
    for model in draws(builder):
        assert model.class_name == name
        assert model.placement in ("table", "floor")
        assert 0.005 < model.mass < 5
        assert all(edge < 1.0 for edge in model.size)
        assert max(model.size) > 0.02
        visible = [solid for solid in model.solids if solid.visible]
        assert visible
        assert 1 <= sum(solid.collides for solid in model.solids) <= 10
        assert all(solid.collides for solid in model.solids if not solid.visible)
        for solid in model.solids:
            assert solid.look in model.looks
            assert solid.part
        for look in model.looks.values():
            assert all(0 <= channel <= 1 for channel in (*look.rgb, *look.rgb2, look.alpha))


@every_builder
def test_bounding_box_is_true_and_stands_on_the_floor(name: str, builder: Builder) -> None:
    for model in draws(builder):
        boxes = [solid_bounds(solid) for solid in model.solids if solid.visible]
        low, high = np.min([b[0] for b in boxes], axis=0), np.max([b[1] for b in boxes], axis=0)
        half = np.array(model.size) / 2
        np.testing.assert_allclose(low, [-half[0], -half[1], 0.0], atol=1e-9)
        np.testing.assert_allclose(high, [half[0], half[1], 2 * half[2]], atol=1e-9)
        # colliders keep to the visible form: else things float beside it or sink into what carries them
        hulls = [solid_bounds(solid) for solid in model.solids if solid.collides]
        lowest, highest = np.min([h[0] for h in hulls], axis=0), np.max([h[1] for h in hulls], axis=0)
        assert np.all(lowest > low - 0.012), (model.style, lowest - low)
        assert np.all(highest < high + 0.012), (model.style, highest - high)
        assert abs(lowest[2]) < 0.004, (model.style, lowest[2])
        for surface in model.surfaces:
            reach = np.abs(surface.center[:2]) + np.array(surface.size) / 2
            assert np.all(reach <= half[:2] + 1e-6), model.style
            assert 0 <= surface.center[2] <= model.size[2] + 1e-9


@every_builder
def test_meshes_are_closed_light_and_textured(name: str, builder: Builder) -> None:
    for model in draws(builder, 6):
        for solid in model.solids:
            if solid.kind != "mesh":
                assert min(solid.size) > 0
                continue
            assert solid.vertices is not None and solid.faces is not None and solid.uv is not None
            mesh = shapes.Mesh(solid.vertices, solid.faces, solid.uv)
            assert np.isfinite(mesh.vertices).all()
            assert mesh.faces.min() >= 0
            assert mesh.faces.max() < len(mesh.vertices) == len(mesh.uv)
            assert mesh.uv.min() >= 0
            assert mesh.uv.max() <= 1
            assert len(mesh.faces) <= 800
            assert mesh.volume > 0, (model.style, solid.part)
            assert is_closed(mesh), (model.style, solid.part)
        assert sum(len(s.faces) for s in model.solids if s.faces is not None) <= 1800


@every_builder
def test_the_same_seed_gives_the_same_object(name: str, builder: Builder) -> None:
    first, second, other = (builder(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert (first.style, first.size, first.looks, first.surfaces) == (
        second.style,
        second.size,
        second.looks,
        second.surfaces,
    )
    for one, two in zip(first.solids, second.solids, strict=True):
        assert (one.kind, one.size, one.pos, one.euler, one.look) == (two.kind, two.size, two.pos, two.euler, two.look)
        if one.vertices is not None:
            np.testing.assert_array_equal(one.vertices, two.vertices)
    assert first.size != other.size


def lowest_point(model: ObjectModel, data: mujoco.MjData) -> float:
    """Height of the lowest visible point above the plane, metres, where physics has left the object."""
    turn, place = data.xmat[1].reshape(3, 3), data.xpos[1]
    heights = []
    for solid in model.solids:
        if solid.visible:
            euler = shapes.euler_of(turn @ shapes.rotation(solid.euler))
            pos = turn @ np.array(solid.pos) + place
            heights.append(solid_bounds(replace(solid, pos=tuple(pos), euler=euler))[0][2])
    return float(min(heights))


@pytest.mark.slow
@every_builder
def test_it_rests_where_it_is_put(name: str, builder: Builder) -> None:
    """Neither jumps nor sinks; a thing that rolls or tips over does not leave its place by much."""
    for model in draws(builder, 4):
        compiled = plain_spec(model).compile()
        data = mujoco.MjData(compiled)
        highest = 0.0
        for _ in range(300):
            mujoco.mj_step(compiled, data)
            highest = max(highest, float(data.qpos[2]))
        assert np.isfinite(data.qpos).all()
        reach = float(np.linalg.norm(model.size))
        assert highest < 0.35 * reach, model.style
        lowest = lowest_point(model, data)
        assert -0.2 * min(model.size) - 0.006 < lowest < 0.006, (model.style, lowest)
        assert np.linalg.norm(data.qpos[:2]) < reach, model.style


STANDING = [
    "Mug",
    "Cup",
    "Bowl",
    "Plate",
    "Pot",
    "Box",
    "TissueBox",
    "ToiletPaper",
    "SoapBottle",
    "Laptop",
    "GarbageCan",
    "Vase",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", STANDING)
def test_standing_things_keep_standing(name: str) -> None:
    upright = []
    for builder in dict.fromkeys(BUILDERS[name]):
        for model in draws(builder, 6):
            compiled = plain_spec(model).compile()
            data = mujoco.MjData(compiled)
            mujoco.mj_step(compiled, data, 300)
            upright.append(float(data.xmat[1].reshape(3, 3)[2, 2]) > 0.97)
    assert np.mean(upright) > 0.85


# --- the mesh helpers against closed formulas


def test_lathe_of_a_cone_has_its_volume_and_bounds() -> None:
    mesh = shapes.lathe([(0.3, 0.0), (0.0, 0.9)], segments=256)
    assert mesh.volume == pytest.approx(np.pi * 0.3**2 * 0.9 / 3, rel=1e-3)
    assert is_closed(mesh)


def test_hollow_holds_the_volume_of_its_wall() -> None:
    mesh = shapes.hollow([(0.1, 0.0), (0.1, 0.2)], 0.01, segments=256)
    wall = np.pi * (0.1**2 - 0.09**2) * 0.2 + np.pi * 0.09**2 * 0.01
    assert mesh.volume == pytest.approx(wall, rel=2e-3)


def test_hollow_refuses_a_wall_thicker_than_the_vessel() -> None:
    with pytest.raises(ValueError, match="thinner wall"):
        shapes.hollow([(0.01, 0.0), (0.01, 0.02)], 0.05)


def test_torus_box_prism_and_sheet_have_their_volumes() -> None:
    assert shapes.torus(0.1, 0.04, 96, 48).volume == pytest.approx(2 * np.pi**2 * 0.1 * 0.02**2, rel=5e-3)
    box = shapes.rounded_box((0.2, 0.1, 0.3), 1e-5)
    assert box.volume == pytest.approx(0.2 * 0.1 * 0.3, rel=1e-3)
    hook = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]  # an L of three unit squares, not convex
    for outline in (hook, hook[::-1]):
        assert shapes.prism(outline, 0.5).volume == pytest.approx(1.5)
    x, y = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 2, 7))
    bent = shapes.sheet(np.stack([x, y, 0.1 * np.sin(3 * x)], axis=-1), 0.01)
    assert bent.volume == pytest.approx(0.02)
    assert is_closed(bent)


def test_prism_refuses_an_outline_that_crosses_itself() -> None:
    star = np.pi / 2 + np.arange(5) * 4 * np.pi / 5  # turns left at every corner, and goes around twice
    with pytest.raises(ValueError, match="crosses itself"):
        shapes.prism(np.column_stack([np.cos(star), np.sin(star)]), 1.0)
    with pytest.raises(ValueError, match="crosses itself"):
        shapes.prism([(0, 0), (2, 2), (2, 0), (0, 2), (-1, 1)], 1.0)


def test_tube_along_a_straight_path_is_a_cylinder() -> None:
    path = [(0.0, 0.0, 0.0), (0.1, 0.1, 0.1), (0.3, 0.3, 0.3)]
    mesh = shapes.tube(path, shapes.circle_section(0.02, 64))
    assert mesh.volume == pytest.approx(np.pi * 0.02**2 * np.sqrt(0.27), rel=5e-3)
    assert is_closed(mesh)


def test_euler_angles_and_matrices_are_each_others_inverse() -> None:
    rng = np.random.default_rng(0)
    for angles in rng.uniform(-1.5, 1.5, (50, 3)):
        matrix = shapes.rotation(tuple(angles))
        np.testing.assert_allclose(shapes.euler_of(matrix), angles, atol=1e-9)
        quat = np.empty(4)
        mujoco.mju_euler2Quat(quat, angles, "xyz")
        expected = np.empty(9)
        mujoco.mju_quat2Mat(expected, quat)
        np.testing.assert_allclose(matrix.ravel(), expected, atol=1e-9)


def test_extent_of_turned_solids_is_tight() -> None:
    """Against the bounds of many points on the surface of each kind of solid."""
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(40000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    size = {
        "box": (0.1, 0.2, 0.3),
        "cylinder": (0.1, 0.3),
        "capsule": (0.1, 0.3),
        "sphere": (0.1,),
        "ellipsoid": (0.1, 0.2, 0.3),
    }
    from saom_training.simulators.rooms.geometry.model import Solid

    for kind, dims in size.items():
        euler = tuple(float(a) for a in rng.uniform(-1, 1, 3))
        if kind == "box":
            points = np.sign(directions) * np.array(dims) / 2
        elif kind in ("sphere", "ellipsoid"):
            points = directions * (np.array(dims) / 2 if kind == "ellipsoid" else dims[0])
        else:
            ends = np.sign(directions[:, 2:]) * [[0, 0, dims[1] / 2]]
            if kind == "cylinder":
                flat = directions[:, :2] / np.linalg.norm(directions[:, :2], axis=1, keepdims=True)
                directions_flat = np.column_stack([flat, np.zeros(len(flat))])
                points = directions_flat * dims[0] + ends
            else:
                points = directions * dims[0] + ends
        points = points @ shapes.rotation(euler).T + [1, 2, 3]
        low, high = solid_bounds(Solid(kind, dims, (1.0, 2.0, 3.0), "x", "body", euler))  # type: ignore[arg-type]
        np.testing.assert_allclose(low, points.min(axis=0), atol=2e-3)
        np.testing.assert_allclose(high, points.max(axis=0), atol=2e-3)
