"""Short films of table-tops: things are hidden, carried by a hand, taken away and brought back, or the camera moves.

Nothing is simulated but the pictures: things and the camera follow paths, at `RATE_HZ` frames a second. The sensor is
one camera for a whole film, with new noise in each frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import mujoco
import numpy as np

from saom_core.taxonomy import OTHER

from ...data.frames import Frame, FrameObject
from .cameras import Light, View, look_at, random_lights, random_view
from .geometry.boxes import about_z
from .geometry.model import Look, ObjectModel, Solid
from .mujoco_world import World
from .renderer import Renderer
from .scene import Placed, Scene, make_scene
from .sensor import random_depth_camera, sense_color, sense_depth
from .simulator import targets_of, visible_shares

KINDS = ("still", "hidden", "camera", "carried", "returns")
"""still: only the noise changes. hidden: a board passes and stops in front of things. camera: it goes about the table,
looks away and back. carried: a hand puts two things elsewhere, one after the other. returns: a hand takes a thing out
of the picture and brings it back to another place."""
RATE_HZ = 10.0
FRAMES = 60
HAND, BOARD = "hand", "board"
"""Styles of the two things that are no part of the table-top."""
CLEAR_AREA = 0.00325
"""A thing that covers so much of the picture is seen well enough to be carried, or to count in a film."""
_LEAST_THINGS = 6
_OUT_M = 1.0
"""What leaves the picture goes so far aside, at 0.8 m/s on average."""
_AWAY = (0.0, 0.0, -20.0)


def film(kind: str, seed: int, size_hw: tuple[int, int], frames: int = FRAMES) -> list[Frame]:
    """One film; the same arguments give the same pictures.

    Args:
        kind: one of `KINDS`.
        seed: of the scene, the camera, the paths and the noise.
        size_hw: height and width of the pictures, pixels.
        frames: their number; paths are stretched to it.
    """
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    renderer = Renderer(size_hw)
    try:
        stage = _stage(rng, renderer, size_hw)
        move = _MOVES[kind](rng, stage)
        return list(_shots(stage, renderer, move, frames, f"{kind}_{seed}", rng))
    finally:
        renderer.close()


Move = Callable[[float], View]
"""Puts all things where they are at a time from 0 to 1 of the film, and says from where they are seen."""


@dataclass(frozen=True)
class _Stage:
    """A settled table-top and a view of it."""

    world: World
    view: View
    middle: np.ndarray  # (3,) of what is looked at
    clear: tuple[int, ...]  # movable things that are seen well, the clearest first


def _stage(rng: np.random.Generator, renderer: Renderer, size_hw: tuple[int, int]) -> _Stage:
    """The first random table-top, and view of it, that shows enough things."""
    while True:
        scene = make_scene(rng)
        movable = sum(placed.movable for placed in scene.objects)
        if scene.family != "table" or not _LEAST_THINGS <= movable <= 16:
            continue
        scene.objects += [_apart(_hand()), _apart(_board(rng))]
        world = World(scene, rng, size_hw)
        renderer.load(world)
        targets = targets_of(world)
        for _ in range(20):
            view = random_view(rng, scene, targets, size_hw)
            stage = None if view is None else _looked_at(world, renderer, scene, view)
            if stage is not None:
                return stage


def _looked_at(world: World, renderer: Renderer, scene: Scene, view: View) -> _Stage | None:
    """The stage seen from a view that is turned to the middle of its things; None if too few are seen well."""
    clear = _clear(world, renderer, view)
    if len(clear) < 3:
        return None
    middle = np.median([_center(world, k) for k in clear], axis=0)
    eye = view.pose[:3, 3]
    distance = float(np.linalg.norm(middle - eye))
    if not 0.6 < distance < 1.5:
        return None
    view = replace(view, pose=look_at(eye, middle, 0.0))
    clear = _clear(world, renderer, view)
    return _Stage(world, view, middle, clear) if len(clear) >= _LEAST_THINGS else None


def _clear(world: World, renderer: Renderer, view: View) -> tuple[int, ...]:
    geoms, depth_m = renderer.surface(view)
    if np.quantile(depth_m, 0.02) < 0.3:
        return ()
    ids = np.where(geoms >= 0, world.geom_object[geoms], -1)
    shares = visible_shares(world, view, ids)
    areas = np.bincount(ids[ids >= 0], minlength=len(world.objects))
    good = [
        k
        for k, item in enumerate(world.objects)
        if item.placed.movable
        and areas[k] >= CLEAR_AREA * ids.size
        and shares[k] > 0.6
        and max(item.placed.model.size) < 0.4
    ]
    return tuple(sorted(good, key=lambda k: -float(shares[k])))


# --- the film


def _shots(
    stage: _Stage, renderer: Renderer, move: Move, frames: int, name: str, rng: np.random.Generator
) -> Iterator[Frame]:
    world = stage.world
    lights, ambient = random_lights(rng, world.scene, stage.middle)
    size_hw = stage.view.camera.height, stage.view.camera.width
    depth_camera, look = random_depth_camera(rng, size_hw), int(rng.integers(2**31))
    for number in range(frames):
        view = move(number / max(1, frames - 1))
        mujoco.mj_kinematics(world.model, world.data)
        mujoco.mj_comPos(world.model, world.data)
        geoms, true_depth_m = renderer.surface(view)
        object_ids = np.where(geoms >= 0, world.geom_object[geoms], -1).astype(np.int32)
        hole_rate = np.where(geoms >= 0, world.geom_hole_rate[geoms], 0.0).astype(np.float32)
        visible = visible_shares(world, view, object_ids)
        things = zip(world.objects, visible, strict=True)
        yield Frame(
            image_rgb=_picture(renderer, view, lights, ambient, look, rng),
            depth_m=sense_depth(true_depth_m, hole_rate, view.camera.fx, depth_camera, rng),
            object_ids=object_ids,
            part_ids=np.zeros(size_hw, np.int32),
            objects=tuple(
                FrameObject(item.placed.model.class_name, item.placed.model.style, visible=float(share))
                for item, share in things
            ),
            camera=view.camera,
            pose=view.pose,
            scene=name,
            split="test",
        )


def _picture(
    renderer: Renderer, view: View, lights: list[Light], ambient: np.ndarray, look: int, rng: np.random.Generator
) -> np.ndarray:
    """As one camera sees it: the seed `look` gives all frames its character, and each has some noise of its own."""
    image_rgb = sense_color(renderer.color(view, lights, ambient), np.random.default_rng(look))
    noise = rng.normal(0, 1.5, image_rgb.shape)
    return np.clip(image_rgb + noise + 0.5, 0, 255).astype(np.uint8)


# --- who moves


def _still(rng: np.random.Generator, stage: _Stage) -> Move:
    return lambda time: stage.view


def _hidden(rng: np.random.Generator, stage: _Stage) -> Move:
    """The board comes from one side, stays in front of the things for a third of the film, and leaves."""
    pose, board = stage.view.pose, _number_of(stage.world, BOARD)
    distance = float(np.linalg.norm(stage.middle - pose[:3, 3]))
    center = pose[:3, 3] + 0.45 * distance * pose[:3, 2]
    side = float(rng.choice([-1, 1])) * pose[:3, 0]
    turn = np.stack([pose[:3, 0], pose[:3, 2], -pose[:3, 1]], axis=1)  # its face to the camera

    def move(time: float) -> View:
        away = 1.0 - _ramp(time, 0.12, 0.33) + _ramp(time, 0.66, 0.88)
        _put(stage.world, board, center + side * away * distance, turn)
        return stage.view

    return move


def _camera(rng: np.random.Generator, stage: _Stage) -> Move:
    """An arc of 30 degrees about the things; in the middle of it the camera turns 40 degrees aside and back."""
    view, sense = stage.view, float(rng.choice([-1, 1]))
    offset = view.pose[:3, 3] - stage.middle

    def move(time: float) -> View:
        arc = sense * np.radians(30) * (_ramp(time, 0.0, 1.0) - 0.5)
        eye = stage.middle + about_z(arc) @ offset
        aside = sense * np.radians(40) * (_ramp(time, 0.3, 0.45) - _ramp(time, 0.65, 0.8))
        target = eye + about_z(aside) @ (stage.middle - eye)
        return replace(view, pose=look_at(eye, target, 0.0))

    return move


def _carried(rng: np.random.Generator, stage: _Stage) -> Move:
    ones = _chosen(rng, stage, 2)
    trips = [_Trip.plan(rng, stage, one, begin) for one, begin in zip(ones, (0.05, 0.52), strict=True)]

    def move(time: float) -> View:
        _put(stage.world, _number_of(stage.world, HAND), np.array(_AWAY), np.eye(3))
        for trip in trips:
            trip.go(stage, (time - trip.begin) / 0.42)
        return stage.view

    return move


def _returns(rng: np.random.Generator, stage: _Stage) -> Move:
    (one,) = _chosen(rng, stage, 1)
    trip = _Trip.plan(rng, stage, one, 0.0)
    out = trip.start + _OUT_M * float(rng.choice([-1, 1])) * stage.view.pose[:3, 0] + (0.0, 0.0, 0.1)
    there, back = replace(trip, goal=out), replace(trip, start=out)

    def move(time: float) -> View:
        first = time < 0.5
        (there if first else back).go(stage, (time - 0.02) / 0.36 if first else (time - 0.62) / 0.36)
        return stage.view

    return move


_MOVES: dict[str, Callable[[np.random.Generator, _Stage], Move]] = {
    "still": _still,
    "hidden": _hidden,
    "camera": _camera,
    "carried": _carried,
    "returns": _returns,
}


@dataclass(frozen=True)
class _Trip:
    """A hand takes a thing from one place to another."""

    thing: int
    start: np.ndarray  # (3,) of the body
    goal: np.ndarray
    turn: np.ndarray  # (3, 3) of the thing, which it keeps
    grip: np.ndarray  # (3,) from the body to where it is held
    begin: float

    @staticmethod
    def plan(rng: np.random.Generator, stage: _Stage, thing: int, begin: float) -> _Trip:
        """To a place within the picture that is as free as can be found."""
        world = stage.world
        body = world.objects[thing].body
        start, turn = world.data.xpos[body].copy(), world.data.xmat[body].reshape(3, 3).copy()
        points = world.objects[thing].points @ turn.T
        others = [_center(world, k)[:2] for k in stage.clear if k != thing]
        best, best_room = start, -1.0
        for _ in range(60):
            angle, length = rng.uniform(-np.pi, np.pi), rng.uniform(0.15, 0.45)
            goal = start + length * np.array([np.cos(angle), np.sin(angle), 0.0])
            room = float(min(np.linalg.norm(other - goal[:2]) for other in others))
            if _in_picture(stage.view, goal) and room > best_room:
                best, best_room = goal, room
        grip = np.array([*np.median(points[:, :2], axis=0), points[:, 2].max()])
        return _Trip(thing, start, best, turn, grip, begin)

    def go(self, stage: _Stage, time: float) -> None:
        """The hand and the thing at a time from 0 to 1 of the trip; before and after, the hand is not there."""
        carried = _ramp(time, 0.25, 0.8)
        lift = 0.18 * (_ramp(time, 0.2, 0.35) - _ramp(time, 0.7, 0.82))
        pos = self.start + carried * (self.goal - self.start) + (0.0, 0.0, lift)
        _put(stage.world, self.thing, pos, self.turn)
        reach = 0.7 * (1.0 - _ramp(time, 0.0, 0.2) + _ramp(time, 0.82, 1.0))
        there = 0.0 < time < 1.0
        towards = stage.middle - stage.view.pose[:3, 3]
        turn = about_z(float(np.arctan2(towards[1], towards[0])))  # a person stands on the other side
        place = pos + self.grip + turn @ (0.7 * reach, 0.0, 0.7 * reach) if there else np.array(_AWAY)
        _put(stage.world, _number_of(stage.world, HAND), place, turn)


def _chosen(rng: np.random.Generator, stage: _Stage, count: int) -> list[int]:
    """Some of the clear things, rather those that are well inside the picture and that nothing lies upon."""

    def worse(k: int) -> tuple[bool, float]:
        center = _center(stage.world, k)
        return not _in_picture(stage.view, center), -float(center[2])

    return [int(k) for k in rng.permutation(sorted(stage.clear, key=worse)[: count + 2])[:count]]


def _in_picture(view: View, point: np.ndarray) -> bool:
    x, y, z = (point - view.pose[:3, 3]) @ view.pose[:3, :3]
    camera = view.camera
    column, row = camera.cx + camera.fx * x / z, camera.cy + camera.fy * y / z
    return bool(z > 0.3 and abs(column / camera.width - 0.5) < 0.35 and abs(row / camera.height - 0.5) < 0.35)


def _ramp(time: float, begin: float, end: float) -> float:
    """0 before `begin`, 1 after `end`, smooth between."""
    share = float(np.clip((time - begin) / (end - begin), 0, 1))
    return share * share * (3 - 2 * share)


def _center(world: World, k: int) -> np.ndarray:
    item = world.objects[k]
    turn = world.data.xmat[item.body].reshape(3, 3)
    return np.asarray(world.data.xpos[item.body] + turn @ (0, 0, item.placed.model.size[2] / 2))


def _put(world: World, k: int, pos: np.ndarray, turn: np.ndarray) -> None:
    start = world.model.jnt_qposadr[world.model.body_jntadr[world.objects[k].body]]
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.ascontiguousarray(turn, np.float64).reshape(9))
    world.data.qpos[start : start + 7] = [*pos, *quat]


def _number_of(world: World, style: str) -> int:
    return next(k for k, item in enumerate(world.objects) if item.placed.model.style == style)


def _apart(model: ObjectModel) -> Placed:
    return Placed(model, _AWAY, np.eye(3), movable=True)


def _board(rng: np.random.Generator) -> ObjectModel:
    """A printed board, which stands on edge."""
    width, height = (float(edge) for edge in rng.uniform(0.28, 0.4, 2))
    solid = Solid("box", (width, 0.015, height), (0.0, 0.0, 0.0), "print", "body", collides=False)
    return ObjectModel(
        OTHER, BOARD, (solid,), {"print": Look("print", (0.8, 0.6, 0.3))}, (width, 0.015, height), 0.3, "table"
    )


def _hand() -> ObjectModel:
    """A hand that holds what is below the origin, and the arm behind it, which comes from +x and above."""
    arm = (0.0, np.pi / 4, 0.0)
    solids = [
        Solid("box", (0.09, 0.085, 0.03), (0.035, 0.0, 0.035), "skin", "body", (0.0, -np.pi / 5, 0.0), collides=False)
    ]
    solids.append(Solid("capsule", (0.032, 0.3), (0.19, 0.0, 0.17), "skin", "body", arm, collides=False))
    for side in (-0.03, -0.01, 0.01, 0.03):
        solids.append(Solid("capsule", (0.009, 0.05), (-0.005, side, 0.005), "skin", "body", collides=False))
    return ObjectModel(
        OTHER, HAND, tuple(solids), {"skin": Look("plain", (0.75, 0.55, 0.45))}, (0.4, 0.1, 0.3), 0.3, "table"
    )
