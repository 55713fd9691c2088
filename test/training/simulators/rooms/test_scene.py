"""What `rooms` shows: every class in several styles, things on, in and under each other, cameras, lamps, lenses."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from saom_core.taxonomy import CLASSES, OTHER
from saom_training.data.frames import Frame
from saom_training.simulators.rooms.cameras import Light, View, look_at, random_lens, random_lights, random_view
from saom_training.simulators.rooms.catalogue import BUILDERS
from saom_training.simulators.rooms.geometry.model import Look, ObjectModel, Solid
from saom_training.simulators.rooms.looks.materials import make_material
from saom_training.simulators.rooms.mujoco_world import World, WorldObject
from saom_training.simulators.rooms.scene import Placed, Scene, make_scene
from saom_training.simulators.rooms.sensor import sense_color
from saom_training.simulators.rooms.shell import Room, make_room
from saom_training.simulators.rooms.simulator import RoomsOptions, RoomsSimulator, targets_of

SIZE_HW = (120, 160)
SCENES = range(6)
ONE_PIECE = {"Plate"}  # nothing on it comes off or is named


@pytest.fixture(scope="module")
def simulator():
    made = RoomsSimulator(RoomsOptions(seed=21, sizes_hw=(SIZE_HW, (90, 160)), frames=3))
    yield made
    made.close()


@pytest.fixture(scope="module")
def worlds() -> list[World]:
    made = []
    for index in SCENES:
        rng = np.random.default_rng((21, index))
        made.append(World(make_scene(rng), rng, SIZE_HW))
    return made


@pytest.fixture(scope="module")
def frames(simulator: RoomsSimulator) -> list[Frame]:
    return [frame for index in SCENES for frame in simulator.episode(index)]


# --- the catalogue as a whole


@pytest.fixture(scope="module")
def models() -> dict[str, list[ObjectModel]]:
    """Objects of every class, of every builder one at least; a whole is listed under its sub-objects' classes too."""
    found: dict[str, list[ObjectModel]] = {}
    for name, builders in BUILDERS.items():
        for draw in range(max(24, len(builders))):
            model = builders[draw % len(builders)](np.random.default_rng((3, draw)))
            for known_as in {name, *model.sub_objects.values()}:
                found.setdefault(known_as, []).append(model)
    return found


def parts_of(model: ObjectModel) -> set[str]:
    return {solid.part for solid in model.solids if solid.visible}


@pytest.mark.slow
def test_every_class_has_several_styles_and_parts(models: dict[str, list[ObjectModel]]):
    assert set(models) == {*CLASSES, OTHER}
    assert len({model.style for model in models[OTHER]}) >= 20
    for name, made in models.items():
        assert len({model.style for model in made}) >= 2, name
        assert name in ONE_PIECE or any(len(parts_of(model)) >= 2 for model in made), name


@pytest.mark.slow
def test_the_styles_that_decide_what_is_whole(models: dict[str, list[ObjectModel]]):
    handles = Counter("handle" in parts_of(model) for model in models["Mug"])
    assert handles[True] and handles[False]
    assert {"laptop_open", "laptop_closed"} == {model.style for model in models["Laptop"]}
    assert {"knob", "handle"} & {part.split("_")[0] for m in models["Dresser"] for part in parts_of(m)}
    assert any("frame" in parts_of(model) for model in models["Statue"])
    printed = {name for name in ("Box", OTHER) for m in models[name] for s in m.looks.values() if s.kind == "print"}
    assert printed == {"Box", OTHER}
    cans = [m for m in models[OTHER] if m.style.startswith("can")]
    assert any(look.kind == "print" for model in cans for look in model.looks.values())


# --- settled scenes


def moved(world: World) -> list[WorldObject]:
    """The things that physics has put to rest in sight."""
    return [item for item in world.objects if item.placed.movable and world.data.xpos[item.body][2] > -1]


def supports(world: World) -> list[tuple[int, int]]:
    """Bodies (above, below) that touch each other, one lying on the other."""
    found = set()
    for index in range(world.data.ncon):
        contact = world.data.contact[index]
        if abs(contact.frame[2]) > 0.7:  # the contact's normal points up or down
            pair = [int(world.model.geom_bodyid[geom]) for geom in contact.geom]
            low, high = sorted(pair, key=lambda body: world.data.xpos[body][2])
            found.add((high, low))
    return list(found)


def lies_in(world: World, item: WorldObject, around: WorldObject) -> bool:
    """Whether it lies over one of the inner places (of a bowl, a shelf) of another object, below its rim or board."""
    turn = world.data.xmat[around.body].reshape(3, 3)
    local = (world.data.xpos[item.body] - world.data.xpos[around.body]) @ turn
    return any(
        (np.abs(local[:2] - place.center[:2]) < np.array(place.size) / 2).all()
        and -0.02 < local[2] - place.center[2] < min(place.clearance, around.placed.model.size[2])
        for place in around.placed.model.surfaces
        if place.inside
    )


@pytest.mark.slow
def test_things_stand_on_furniture_lie_in_piles_and_in_other_things(worlds: list[World]):
    on_furniture = on_each_other = in_furniture = in_things = 0
    for world in worlds:
        by_body = {item.body: item for item in world.objects}
        things = moved(world)
        resting = {item.body for item in things}
        for above, below in supports(world):
            if above in resting and below in by_body:
                on_each_other += by_body[below].placed.movable
                on_furniture += not by_body[below].placed.movable
        for item in things:
            holders = [other for other in world.objects if other is not item and lies_in(world, item, other)]
            in_things += any(other.placed.movable for other in holders)
            in_furniture += any(not other.placed.movable for other in holders)
    assert on_furniture >= 5 * len(worlds)
    assert on_each_other >= 2 * len(worlds)
    assert in_furniture >= len(worlds) and in_things >= 1


@pytest.mark.slow
def test_much_is_hidden_and_much_has_no_class(frames: list[Frame]):
    shares, names = [], Counter[str]()
    for frame in frames:
        for index in np.unique(frame.object_ids[frame.object_ids >= 0]):
            shares.append(frame.objects[index].visible)
            names[frame.objects[index].class_name] += 1
    assert np.mean(np.array(shares) < 0.95) > 0.25
    assert np.mean(np.array(shares) < 0.5) > 0.05
    assert 0.15 < names[OTHER] / names.total() < 0.6
    assert len(names) > 20


@pytest.mark.slow
def test_parts_are_seen_as_parts(frames: list[Frame]):
    seen = {
        (frame.objects[index].class_name, frame.objects[index].parts[part])
        for frame in frames
        for index, part in np.unique(np.stack((frame.object_ids, frame.part_ids), -1).reshape(-1, 2), axis=0)
        if index >= 0
    }
    assert len({part for _, part in seen}) > 30
    assert any(name == "Drawer" for frame in frames for item in frame.objects for name in item.sub_objects.values())


def test_floors_walls_carpets_and_windows_are_textured_and_differ():
    rooms = [make_room(np.random.default_rng(seed), "room") for seed in range(30)]
    for name in ("floor", "wall"):
        assert len({room.looks[name].kind for room in rooms}) >= 4
    assert 5 <= sum("carpet" in room.looks for room in rooms) <= 25
    assert sum(any(look.endswith("pane") for look in room.looks) for room in rooms) >= 10
    drawn = [
        make_material(look, "tile", np.random.default_rng(0), (1, 1, 1), 64).picture.std()
        for room in rooms[:10]
        for name, look in room.looks.items()
        if name not in ("ceiling", "trim")
    ]
    assert np.mean(np.array(drawn) > 4) > 0.6  # the others are painted evenly


@pytest.mark.parametrize(("room_share", "families"), [(0.0, {"table"}), (1.0, {"room"}), (0.35, {"table", "room"})])
def test_the_share_of_rooms(room_share: float, families: set[str]):
    scenes = [make_scene(np.random.default_rng((4, index)), room_share=room_share) for index in range(8)]
    assert {scene.family for scene in scenes} == families


# --- cameras, lenses, lamps


@pytest.mark.slow
def test_arms_look_down_on_tables_and_robots_across_rooms(worlds: list[World]):
    rng = np.random.default_rng(0)
    pitches: dict[str, list[float]] = {"table": [], "room": []}
    for world in worlds:
        half = np.asarray(world.scene.room.size) / 2
        for _ in range(40):
            view = random_view(rng, world.scene, targets_of(world), SIZE_HW)
            if view is None:
                continue
            eye, forward = view.pose[:3, 3], view.pose[:3, 2]
            assert (np.abs(eye[:2]) < half[:2]).all() and 0 < eye[2] < 2 * half[2]
            np.testing.assert_allclose(view.pose[:3, :3].T @ view.pose[:3, :3], np.eye(3), atol=1e-9)
            pitches[world.scene.family].append(float(np.degrees(np.arcsin(-forward[2]))))
            if world.scene.family == "room":
                assert 0.3 <= eye[2] <= 1.6  # of a mobile robot's camera
    assert min(pitches["table"]) >= 20 and max(pitches["table"]) <= 75
    assert np.median(pitches["room"]) < 30 < np.median(pitches["table"])


@pytest.mark.slow
def test_lenses_vary_and_each_scene_has_one_of_the_sizes(frames: list[Frame], simulator: RoomsSimulator):
    rng = np.random.default_rng(0)
    lenses = [random_lens(rng, SIZE_HW) for _ in range(200)]
    angles = [np.degrees(2 * np.arctan(SIZE_HW[1] / 2 / lens.fx)) for lens in lenses]
    assert 45 <= min(angles) < 50 and 70 < max(angles) <= 75
    sizes: dict[str, set[tuple[int, int]]] = {}
    for frame in frames:
        sizes.setdefault(frame.scene, set()).add(frame.depth_m.shape)
    assert all(len(found) == 1 for found in sizes.values())
    assert set.union(*sizes.values()) == set(simulator.options.sizes_hw)


def lit(simulator: RoomsSimulator, shadow: bool) -> np.ndarray:
    """A box on a pale floor under one slanting lamp."""
    looks = {"skin": Look("plain", (0.5, 0.2, 0.2)), "floor": Look("plain", (0.8, 0.8, 0.8))}
    floor = Solid("box", (6.0, 6.0, 0.1), (0.0, 0.0, -0.05), "floor", "background")
    solid = Solid("box", (0.3, 0.3, 0.4), (0.0, 0.0, 0.2), "skin", "body")
    model = ObjectModel("Box", "test", (solid,), looks, (0.3, 0.3, 0.4), 0.2, "table")
    scene = Scene("table", Room((6.0, 6.0, 3.0), [floor], looks), [Placed(model, (0.0, 0.0, 0.0), np.eye(3), False)])
    simulator._renderer.load(World(scene, np.random.default_rng(0), SIZE_HW))
    view = View(
        look_at(np.array([0.0, -2.0, 1.6]), np.array([0.3, 0.0, 0.0]), 0.0),
        random_lens(np.random.default_rng(1), SIZE_HW),
    )
    pos = np.array([-1.2, 0.0, 1.5])
    lamp = Light(pos, -pos / np.linalg.norm(pos), np.ones(3) * 0.8, directional=False, shadow=shadow, cutoff=70.0)
    return simulator._renderer.color(view, [lamp], np.ones(3) * 0.2).astype(int)


@pytest.mark.slow
def test_a_lamp_throws_a_shadow(simulator: RoomsSimulator):
    bright, shaded = (lit(simulator, shadow).mean(2) for shadow in (False, True))
    assert 0.005 < (shaded < 0.75 * bright).mean() < 0.1
    assert (shaded <= bright + 3).all()


@pytest.mark.slow
def test_lamps_differ_in_number_and_colour(worlds: list[World]):
    rng = np.random.default_rng(0)
    drawn = [random_lights(rng, worlds[0].scene, np.array([0.0, 0.0, 0.8])) for _ in range(60)]
    assert {len(lights) for lights, _ in drawn} == {1, 2, 3}
    with_shadow = [sum(light.shadow for light in lights) for lights, _ in drawn]
    assert 0.5 < np.mean(with_shadow) < 1 and max(with_shadow) == 1
    assert np.ptp([light.rgb[2] / light.rgb[0] for lights, _ in drawn for light in lights]) > 0.2


def test_materials_are_glossy_see_through_and_dark():
    rng = np.random.default_rng(0)

    def drawn(look: Look) -> list:
        return [make_material(look, "tile", rng, (1, 1, 1), 64) for _ in range(20)]

    dull, glossy = drawn(Look("plain", (0.5, 0.5, 0.5))), drawn(Look("plastic", (0.5, 0.5, 0.5)))
    assert np.mean([m.specular for m in glossy]) > 3 * np.mean([m.specular for m in dull])
    glass = drawn(Look("glass", (0.8, 0.9, 0.9), alpha=0.4))
    assert all(m.alpha < 0.5 for m in glass)
    dark = drawn(Look("plain", (0.05, 0.05, 0.05)))
    for bad in (glass, dark):  # a depth camera sees little of either
        assert np.mean([m.hole_rate for m in bad]) > 10 * np.mean([m.hole_rate for m in dull])


# --- the colour sensor


def test_color_sensor_blurs_exposes_grains_and_packs():
    """Of many pictures of one edge and one grey: widths, brightness, grain and JPEG's blocks all vary."""
    scene = np.full((64, 96, 3), 90, np.uint8)
    scene[:, 48:] = 200
    seen = [sense_color(scene, np.random.default_rng(seed)).astype(float).mean(2) for seed in range(80)]
    widths, grain, levels, blocks = [], [], [], []
    for picture in seen:
        row = cv2.GaussianBlur(picture, (1, 63), 0).mean(0)
        low, high = row[:20].mean(), row[-20:].mean()
        widths.append(int(((row > low + 0.1 * (high - low)) & (row < low + 0.9 * (high - low))).sum()))
        flat = picture[:, :32] - cv2.GaussianBlur(picture[:, :32], (0, 0), 3)
        grain.append(flat.std())
        levels.append(picture.mean())
        steps = np.abs(np.diff(picture[:, :32], axis=1)).mean(0)
        blocks.append(steps[7::8].mean() / max(np.delete(steps, np.arange(7, 31, 8)).mean(), 1e-3))
    assert min(widths) <= 2 and max(widths) >= 4  # sharp, out of focus or moved
    assert min(grain) < 0.6 and max(grain) > 3
    assert np.std(levels) > 10
    assert np.quantile(blocks, 0.9) > 1.3  # steps at the 8-pixel grid


def test_motion_blurs_along_one_direction():
    dot = np.zeros((41, 41, 3), np.uint8)
    dot[19:22, 19:22] = 255
    longest = []
    for seed in range(60):
        bright = sense_color(dot, np.random.default_rng(seed)).astype(float).mean(2)
        rows, columns = np.nonzero(bright > 0.3 * bright.max())
        spread = np.linalg.eigvalsh(np.cov(np.stack((rows, columns)) + 0.0)) if len(rows) > 3 else np.ones(2)
        longest.append(np.sqrt(spread[1] / max(spread[0], 0.1)))
    assert np.mean(np.array(longest) > 2) > 0.05
