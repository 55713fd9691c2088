"""Tables that are hard to take apart: `saom collect --hard-share`."""

from __future__ import annotations

import numpy as np
import pytest

from saom_training.simulators.rooms.catalogue.primitives import plain_table
from saom_training.simulators.rooms.catalogue.thin import THIN
from saom_training.simulators.rooms.geometry.model import Builder, ObjectModel
from saom_training.simulators.rooms.hard import PATTERNS, hard_table
from saom_training.simulators.rooms.mujoco_world import World
from saom_training.simulators.rooms.scene import Scene, make_scene
from saom_training.simulators.rooms.sensor import sense_color
from saom_training.simulators.rooms.shell import make_room

SEEDS = range(16)


def tables(hard_share: float) -> list[Scene]:
    return [make_scene(np.random.default_rng((6, s)), family="table", hard_share=hard_share) for s in SEEDS]


def is_thin(model: ObjectModel) -> bool:
    return model.style in {build(np.random.default_rng(seed)).style for build in THIN for seed in range(12)}


def thin_share(scenes: list[Scene]) -> float:
    return float(np.mean([is_thin(placed.model) for scene in scenes for placed in scene.objects if placed.movable]))


def test_tops_are_patterned_or_like_the_floor():
    patterned, alike = [], []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        table, room = plain_table(rng), make_room(rng, "table")
        before = table.looks["top"]
        top = hard_table(rng, table, table.surfaces[0], room).looks["top"]
        floor = room.looks["floor"]
        patterned.append(top != before and top.kind in PATTERNS)
        alike.append(floor.kind == top.kind and np.abs(np.subtract(floor.rgb, top.rgb)).max() < 0.12)
    assert all(one or other for one, other in zip(patterned, alike, strict=True))
    assert 3 <= sum(alike) <= len(SEEDS) - 3


def test_hard_tables_bear_thin_things():
    assert 0.2 < thin_share(tables(1.0)) < 0.55 and thin_share(tables(0.0)) < 0.12


def test_a_share_of_nothing_draws_what_was_drawn_before():
    ends = []
    for given in ({}, {"hard_share": 0.0}):
        rng = np.random.default_rng(3)
        scene = make_scene(rng, family="table", **given)
        ends.append((rng.bit_generator.state, [placed.model.style for placed in scene.objects]))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("build", THIN, ids=lambda build: build.__name__)
def test_thin_things_are_thin_and_lie_still(build: Builder):
    rng = np.random.default_rng(1)
    models = [build(rng) for _ in range(8)]
    assert all(sorted(model.size)[0] < 0.05 and max(model.size) > 3 * sorted(model.size)[0] for model in models)
    scene = make_scene(np.random.default_rng((6, 1)), family="table")
    first = next(index for index, placed in enumerate(scene.objects) if placed.movable)
    thing = scene.objects[first]
    scene.objects = [*scene.objects[:first], type(thing)(models[0], thing.pos, np.eye(3), movable=True)]
    world = World(scene, rng, (60, 80))
    assert world.data.xpos[world.objects[first].body][2] > 0.2  # on the table: neither sunk nor thrown off


def test_a_bayer_pattern_keeps_plain_colours_and_fringes_edges():
    plain = np.full((40, 60, 3), (200, 90, 40), np.uint8)
    edge = np.full((40, 60, 3), 40, np.uint8)
    edge[:, 31:] = 210
    fringes = []
    for seed in range(12):
        through, without = (sense_color(plain, np.random.default_rng(seed), bayer=bayer) for bayer in (True, False))
        inner = np.s_[2:-2, 2:-2]
        assert np.abs(through[inner].mean((0, 1)) - without[inner].mean((0, 1))).max() < 3
        fringes.append([_tint(sense_color(edge, np.random.default_rng(seed), bayer=bayer)) for bayer in (True, False)])
    assert np.mean(fringes, axis=0)[0] > 1.5 * np.mean(fringes, axis=0)[1]


def _tint(picture: np.ndarray) -> float:
    """How far columns about the edge are from grey, beyond what the whole picture is."""
    colour = picture.astype(float) - picture.mean(2, keepdims=True)
    colour -= colour.mean((0, 1))
    return float(np.abs(colour[2:-2, 28:34].mean(0)).max())
