"""Furniture and fixtures: every builder, many seeds, against what the rest of `rooms` relies on."""

from __future__ import annotations

import numpy as np
import pytest

from saom_core.taxonomy import CLASSES, OTHER
from saom_training.simulators.rooms.catalogue.large import BUILDERS, MOUNT_HEIGHT_M, mount_height_m
from saom_training.simulators.rooms.geometry.bounds import solid_bounds
from saom_training.simulators.rooms.geometry.boxes import about_z
from saom_training.simulators.rooms.geometry.model import Builder, Look, ObjectModel, Solid, Surface
from saom_training.simulators.rooms.geometry.shapes import rotation
from saom_training.simulators.rooms.looks.materials import layout_of
from saom_training.simulators.rooms.meshes import solid_mesh
from saom_training.simulators.rooms.mujoco_world import World
from saom_training.simulators.rooms.scene import Placed, Scene
from saom_training.simulators.rooms.shell import Room

SUB_OBJECTS = {"Drawer", "SinkBasin", "BathtubBasin", "StoveBurner"}
TABLES = ("DiningTable", "CoffeeTable", "Desk", "SideTable", "CounterTop")
SEEDS = range(16)
ALL = [pytest.param(name, make, id=f"{name}-{make.__name__}") for name, many in BUILDERS.items() for make in many]


def built(make: Builder, seeds: range = SEEDS) -> list[ObjectModel]:
    return [make(np.random.default_rng(seed)) for seed in seeds]


def test_every_class_of_the_list_is_built() -> None:
    assert set(BUILDERS) <= {*CLASSES, OTHER}  # that none is missing, a test of whole scenes sees
    sub_objects = {
        name for many in BUILDERS.values() for make in many for m in built(make) for name in m.sub_objects.values()
    }
    assert sub_objects == SUB_OBJECTS
    assert set(CLASSES) >= sub_objects


@pytest.mark.parametrize(("name", "make"), ALL)
def test_objects_are_sound(name: str, make: Builder) -> None:
    for model in built(make):
        assert model.class_name == name
        assert model.mass > 0
        assert {solid.look for solid in model.solids} <= set(model.looks)
        parts = {solid.part for solid in model.solids if solid.visible}
        assert "" not in parts and len(parts) >= 1
        assert set(model.sub_objects) <= parts
        assert any(solid.collides for solid in model.solids)
        for solid in model.solids:
            assert all(edge > 0 for edge in solid.size), (model.style, solid)
            if solid.kind == "mesh":
                assert solid.faces is not None and len(solid.faces) <= 600
                assert not solid.collides


def visible_points(model: ObjectModel) -> np.ndarray:
    """(N, 3) corners of everything drawn, by the mesh code of the renderer."""
    seen = [solid for solid in model.solids if solid.visible]
    layouts = [layout_of(model.looks[solid.look], solid.kind == "box") for solid in seen]
    return np.concatenate([solid_mesh(s, layout, 1.0).points for s, layout in zip(seen, layouts, strict=True)])


@pytest.mark.parametrize(("name", "make"), ALL)
def test_size_is_the_bounding_box_of_what_is_drawn(name: str, make: Builder) -> None:
    for model in built(make, range(8)):
        points, size = visible_points(model), np.asarray(model.size)
        low, high = points.min(0), points.max(0)
        assert np.all(low >= [*(-size[:2] / 2), 0] - np.full(3, 1e-6)), model.style
        assert np.all(high <= [*(size[:2] / 2), size[2]] + np.full(3, 1e-6)), model.style
        # round solids are drawn as polygons, which stay a little inside the circle
        assert np.all(high - low >= size * 0.985 - 0.004), (model.style, high - low, size)


@pytest.mark.parametrize("kind", ["box", "cylinder", "capsule", "sphere", "ellipsoid"])
def test_solid_bounds_against_sampled_surface(kind: str) -> None:
    rng = np.random.default_rng(5)
    directions = rng.normal(size=(200_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for _ in range(5):
        a, b, c = rng.uniform(0.2, 1.0, 3)
        size = {"box": (a, b, c), "ellipsoid": (a, b, c), "sphere": (a,)}.get(kind, (a, b))
        euler = tuple(rng.uniform(-3, 3, 3))
        solid = Solid(kind, size, tuple(rng.uniform(-1, 1, 3)), "look", "part", euler)  # type: ignore[arg-type]
        if kind == "box":
            local = np.sign(directions) * np.asarray(size) / 2
        elif kind == "ellipsoid":
            local = directions * np.asarray(size) / 2
        elif kind == "sphere":
            local = directions * a
        elif kind == "capsule":
            local = directions * a + np.sign(directions[:, 2:]) * [0, 0, b / 2]
        else:
            flat = directions[:, :2] / np.linalg.norm(directions[:, :2], axis=1, keepdims=True)
            local = np.column_stack([flat * a, np.sign(directions[:, 2]) * b / 2])
        points = local @ rotation(solid.euler).T + solid.pos
        low, high = solid_bounds(solid)
        np.testing.assert_allclose(points.min(0), low, atol=2e-3)
        np.testing.assert_allclose(points.max(0), high, atol=2e-3)


@pytest.mark.parametrize(("name", "make"), ALL)
def test_same_seed_same_object(name: str, make: Builder) -> None:
    first, again, other = make(np.random.default_rng(3)), make(np.random.default_rng(3)), make(np.random.default_rng(4))
    assert (first.style, first.size, first.looks, first.surfaces) == (
        again.style,
        again.size,
        again.looks,
        again.surfaces,
    )
    assert len(first.solids) == len(again.solids)
    for one, two in zip(first.solids, again.solids, strict=True):
        assert (one.kind, one.size, one.pos, one.euler, one.part, one.look) == (
            two.kind, two.size, two.pos, two.euler, two.part, two.look,
        )  # fmt: skip
        if one.vertices is not None:
            np.testing.assert_array_equal(one.vertices, two.vertices)
    assert first.looks != other.looks or first.size != other.size


def contains(solid: Solid, points: np.ndarray) -> np.ndarray:
    """(N,) bool: which points (N, 3) lie inside a primitive."""
    local = (points - solid.pos) @ rotation(solid.euler)
    if solid.kind == "box":
        return np.all(np.abs(local) < np.asarray(solid.size) / 2, axis=1)
    if solid.kind == "ellipsoid":
        return np.linalg.norm(local / (np.asarray(solid.size) / 2), axis=1) < 1
    radius = solid.size[0]
    if solid.kind == "sphere":
        return np.linalg.norm(local, axis=1) < radius
    height = solid.size[1]
    if solid.kind == "cylinder":
        return (np.hypot(local[:, 0], local[:, 1]) < radius) & (np.abs(local[:, 2]) < height / 2)
    beyond = np.maximum(np.abs(local[:, 2]) - height / 2, 0)
    return np.hypot(np.hypot(local[:, 0], local[:, 1]), beyond) < radius


def air_above(place: Surface, top: float) -> np.ndarray:
    """(N, 3) points in the free room that a place promises, up to the height `top` of the object."""
    (x, y, z), (w, d) = place.center, place.size
    height = min(place.clearance, max(top - z, 0.05)) * 0.97
    grid = np.meshgrid(
        np.linspace(-0.45, 0.45, 15) * w, np.linspace(-0.45, 0.45, 15) * d, np.linspace(0.008, height, 20)
    )
    return np.column_stack([axis.ravel() for axis in grid]) + [x, y, z]


@pytest.mark.parametrize(("name", "make"), ALL)
def test_places_lie_on_the_object_and_are_free_above(name: str, make: Builder) -> None:
    for seed, model in enumerate(built(make)):
        for place in model.surfaces:
            (x, y, z), (w, d) = place.center, place.size
            assert abs(x) + w / 2 <= model.size[0] / 2 + 1e-6 and abs(y) + d / 2 <= model.size[1] / 2 + 1e-6
            assert 0 < z <= model.size[2] + 0.01
            assert place.clearance > 0.02
            points = air_above(place, model.size[2])
            for solid in model.solids:
                if solid.kind != "mesh":
                    assert not contains(solid, points).any(), (seed, model.style, solid.part, place)
            below = np.array([[x, y, z - depth] for depth in np.linspace(0.0005, 0.03, 30)])
            supports = [contains(solid, below).any() for solid in model.solids if solid.kind != "mesh"]
            assert any(supports), (seed, model.style, place)


@pytest.mark.parametrize("name", TABLES)
def test_tables_carry_things(name: str) -> None:
    models = [model for make in BUILDERS[name] for model in built(make, range(60))]
    for model in models:
        largest = max(model.surfaces, key=lambda place: place.size[0] * place.size[1])
        assert largest.clearance >= 0.5
        assert 0.3 < largest.center[2] < 1.0
    assert len({model.style for model in models}) >= 5
    assert len({model.looks["top"].kind for model in models}) >= 3


def test_wall_objects_have_a_mounting_height_below_the_ceiling() -> None:
    seen = set()
    for many in BUILDERS.values():
        for make in many:
            for model in built(make):
                if model.placement == "wall":
                    low, high = mount_height_m(model)
                    assert 0 <= low <= high and high + model.size[2] <= 2.36
                    seen |= {model.style, model.style.split("_")[0], model.class_name}
    assert set(MOUNT_HEIGHT_M) <= seen
    table = BUILDERS["DiningTable"][0](np.random.default_rng(0))
    with pytest.raises(KeyError, match="hangs on a wall"):
        mount_height_m(table)


@pytest.mark.slow
def test_all_objects_compile_in_mujoco_and_show_their_parts() -> None:
    floor = Solid("box", (400.0, 8.0, 0.1), (0.0, 0.0, -0.05), "floor", "floor")
    room = Room((400.0, 8.0, 3.0), [floor], {"floor": Look("plain", (0.5, 0.5, 0.5))})
    models = [make(np.random.default_rng(seed)) for many in BUILDERS.values() for make in many for seed in (2,)]
    scene = Scene("room", room)
    for index, model in enumerate(models):
        scene.objects.append(Placed(model, (index * 4.0 - 190.0, 0.0, 0.0), about_z(0.0), movable=False))
    world = World(scene, np.random.default_rng(0), (64, 64))
    assert len(world.objects) == len(models)
    for index, model in enumerate(models):
        if not scene.objects[index].is_instance:  # doors and windows belong to the walls
            continue
        drawn = np.unique(world.geom_part[world.geom_object == index])
        named = {world.objects[index].parts[part] for part in drawn}
        assert named == {solid.part for solid in model.solids if solid.visible}
