"""Random scenes from a seed: what stands where before physics settles it.

Two families: a cluttered table-top, and a furnished room with things on its furniture. World frame: metres, z up, the
floor is z = 0, the room is centred on the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from saom_core.taxonomy import OTHER

from .assets.load import Assets
from .catalogue import BUILDERS
from .catalogue.large import mount_height_m
from .catalogue.primitives import plain_table
from .choose import OTHER_SHARE, fits_into, random_object
from .geometry.boxes import Boxes, about_z, turned_extent
from .geometry.model import ObjectModel, Surface, Vec3
from .geometry.triangles import rotation
from .hard import THIN_SHARE, hard_table, thin_object
from .options import ROOM_SHARE
from .shell import Room, make_room

Family = Literal["table", "room"]
TABLE_CLASSES = ("DiningTable", "CoffeeTable", "Desk", "SideTable", "CounterTop", "TVStand", "Ottoman")
MAX_MOVABLE = 28
CLEAR_M = 0.004  # air between things before they fall
STRUCTURE = ("door", "window")  # styles that belong to the walls: drawn, never instances


@dataclass(frozen=True)
class Placed:
    """An object in the world. `movable` ones are settled by physics, the others stand still."""

    model: ObjectModel
    pos: Vec3
    turn: np.ndarray  # (3, 3), object to world
    movable: bool

    @property
    def is_instance(self) -> bool:
        """Whether it is a thing of its own and not a piece of the building."""
        return self.model.class_name != OTHER or self.model.style.split("_")[0] not in STRUCTURE


@dataclass
class Scene:
    """What `mujoco_world` builds."""

    family: Family
    room: Room
    objects: list[Placed] = field(default_factory=list)


def make_scene(
    rng: np.random.Generator,
    assets: Assets | None = None,
    family: Family | None = None,
    *,
    room_share: float = ROOM_SHARE,
    hard_share: float = 0.0,
    things: Sequence[ObjectModel] | None = None,
) -> Scene:
    """A random scene, with the user's own objects among the rest; the same generator state gives the same scene.

    Args:
        rng: Source of all randomness.
        assets: The user's objects.
        family: Which kind of scene; None: drawn, too.
        room_share: How often a furnished room is drawn.
        hard_share: How often a table is a hard one, see `hard`.
        things: The small things to take, each at most once, those first that come first; None: drawn, too.
    """
    drawn: Family = "table" if rng.random() < 1 - room_share else "room"
    family = family or drawn
    builder = _Layout(rng, family, assets, things)
    if family == "table":
        builder.cluttered_table(hard=hard_share > 0 and rng.random() < hard_share)
    else:
        builder.furnished_room()
    return builder.scene


class _Layout:
    """Places objects one by one without overlap of their bounding boxes."""

    def __init__(
        self, rng: np.random.Generator, family: Family, assets: Assets | None, things: Sequence[ObjectModel] | None
    ) -> None:
        self.rng = rng
        self.assets = assets
        self.things = None if things is None else list(things)  # those that stand nowhere yet
        self.scene = Scene(family, make_room(rng, family))
        self.boxes = Boxes()
        self.movable = 0

    # --- the two families

    def cluttered_table(self, hard: bool) -> None:
        rng = self.rng
        table, surface = self._table()
        if hard:
            table = hard_table(rng, table, surface, self.scene.room)
        yaw = float(rng.choice([0.0, np.pi / 2])) if rng.random() < 0.5 else float(rng.uniform(0, np.pi))
        low, high = turned_extent(table.size, about_z(yaw))
        limits = np.maximum(np.asarray(self.scene.room.size[:2]) / 2 - high[:2] - 0.02, 0.0)
        x, y = (float(value) for value in rng.uniform(-1, 1, 2) * limits * (rng.random(2) < 0.7))
        self._put(Placed(table, (x, y, 0.0), about_z(yaw), movable=False))
        count = round(
            float(rng.choice([rng.uniform(1, 6), rng.uniform(5, 15), rng.uniform(12, 27)], p=[0.1, 0.4, 0.5]))
        )
        spread = float(rng.uniform(0.25, 1.0)) * np.asarray(surface.size)
        spread = np.clip(spread, 0.18 + 0.012 * count, 1.1)
        thin_share = THIN_SHARE if hard else 0.0
        self._clutter(self.scene.objects[-1], surface, count, np.minimum(spread, surface.size), thin_share)
        for _ in range(int(rng.integers(0, 5))):
            self._furniture(against_wall=rng.random() < 0.6)

    def furnished_room(self) -> None:
        rng = self.rng
        for _ in range(int(rng.integers(9, 22))):
            self._furniture(against_wall=rng.random() < 0.75)
        furniture: list[Any] = list(self.scene.objects)
        rng.shuffle(furniture)
        for placed in furniture:
            for surface in placed.model.surfaces:
                area = surface.size[0] * surface.size[1]
                count = int(rng.poisson(min(6.0, 1.0 + 6.0 * area)))
                self._clutter(placed, surface, count, np.asarray(surface.size))
        half = np.asarray(self.scene.room.size[:2])
        floor = Surface((0.0, 0.0, 0.0), (float(half[0]) * 0.95, float(half[1]) * 0.95), 1.5)
        self._clutter(None, floor, int(rng.integers(0, 6)), np.asarray(floor.size))

    # --- steps

    def _table(self) -> tuple[ObjectModel, Surface]:
        rng = self.rng
        names = [name for name in TABLE_CLASSES if name in BUILDERS]
        if names and rng.random() < 0.45:
            for _ in range(8):
                builders = BUILDERS[names[rng.integers(len(names))]]
                model = builders[rng.integers(len(builders))](rng)
                tops = [s for s in model.surfaces if not s.inside and s.clearance > 0.4 and min(s.size) > 0.35]
                if tops and max(model.size[:2]) < min(self.scene.room.size[:2]) * 0.9:
                    return model, max(tops, key=lambda s: s.center[2])
        model = plain_table(rng)
        return model, model.surfaces[0]

    def _furniture(self, against_wall: bool) -> None:
        rng = self.rng
        room = self.scene.room
        model = random_object(rng, ("floor", "wall", "wall_floor", "ceiling"), room.size, 0.1, self.assets)
        if model is None:
            return
        for _ in range(10):
            placed = self._at_wall(model) if against_wall or "wall" in model.placement else self._in_the_middle(model)
            if self._free(placed, 0.01):
                self._put(placed)
                return

    def _at_wall(self, model: ObjectModel) -> Placed:
        """The object, placed with its back (+y) to a wall."""
        rng = self.rng
        wall = int(rng.integers(4))
        yaw = wall * np.pi / 2
        half_x, half_y = self.scene.room.size[0] / 2, self.scene.room.size[1] / 2
        along, away = (half_x, half_y) if wall % 2 == 0 else (half_y, half_x)
        slide = float(rng.uniform(-1, 1)) * max(0.0, along - model.size[0] / 2 - 0.02)
        gap = 0.004 if model.placement != "floor" else float(rng.uniform(0.01, 0.15))
        local = np.array([slide, away - model.size[1] / 2 - gap, 0.0])
        x, y, _ = about_z(yaw) @ local
        return Placed(model, (float(x), float(y), self._wall_height(model)), about_z(yaw), movable=False)

    def _wall_height(self, model: ObjectModel) -> float:
        room = max(0.0, self.scene.room.size[2] - model.size[2] - 0.05)
        if model.placement == "ceiling":
            return self.scene.room.size[2] - model.size[2] - 0.002
        if model.placement != "wall":
            return 0.0
        return min(room, float(self.rng.uniform(*mount_height_m(model))))

    def _in_the_middle(self, model: ObjectModel) -> Placed:
        rng = self.rng
        yaw = float(rng.uniform(-np.pi, np.pi))
        _, high = turned_extent(model.size, about_z(yaw))
        limits = np.maximum(np.asarray(self.scene.room.size[:2]) / 2 - high[:2] - 0.05, 0.0)
        x, y = (float(value) for value in rng.uniform(-1, 1, 2) * limits)
        return Placed(model, (x, y, self._wall_height(model)), about_z(yaw), movable=False)

    def _clutter(
        self, base: Placed | None, surface: Surface, count: int, spread: np.ndarray, thin_share: float = 0.0
    ) -> None:
        """Drop `count` things onto a surface of `base`, around one to three centres within `spread` metres."""
        rng = self.rng
        origin, base_turn = (np.zeros(3), np.eye(3)) if base is None else (np.asarray(base.pos), base.turn)
        room = np.maximum((np.asarray(surface.size) - spread) / 2, 0.0)
        middle = rng.uniform(-1, 1, 2) * room
        piles = [middle + rng.uniform(-0.35, 0.35, 2) * spread for _ in range(int(rng.integers(1, 4)))]
        upright = float(rng.uniform(0.5, 1.0))
        for _ in range(count):
            if self.movable >= MAX_MOVABLE:
                return
            fits = (surface.size[0] * 0.95, surface.size[1] * 0.95, surface.clearance)
            placements = ("table",) if base is not None else ("table", "floor")
            thin = self.things is None and thin_share > 0 and rng.random() < thin_share
            model = thin_object(rng) if thin else self._small(placements, fits, OTHER_SHARE)
            if model is None or max(model.size) > 0.75:
                continue
            turn = self._pose(model, upright)
            best: Placed | None = None
            for _ in range(int(rng.integers(1, 6))):
                if rng.random() < 0.5:
                    local = piles[rng.integers(len(piles))] + rng.normal(0, 0.07, 2)
                else:
                    local = middle + rng.uniform(-0.5, 0.5, 2) * spread
                local = self._within(local, model, surface)
                spot = origin + base_turn @ np.array([*(np.asarray(surface.center[:2]) + local), surface.center[2]])
                candidate = self._rest(model, spot, turn, base)
                if best is None or candidate.pos[2] < best.pos[2]:
                    best = candidate
            if best is None or best.pos[2] - (origin[2] + surface.center[2]) > min(0.55, surface.clearance * 0.8):
                continue
            self._put(best)
            self._fill(best)

    def _small(self, placements: tuple[str, ...], fits: Vec3, other_share: float) -> ObjectModel | None:
        """The next of the given things that fits, else a random object; see `random_object`."""
        if self.things is None:
            return random_object(self.rng, placements, fits, other_share, self.assets)
        fitting = (k for k, model in enumerate(self.things) if fits_into(model.size, fits))
        place = next(fitting, None)
        return None if place is None else self.things.pop(place)

    def _pose(self, model: ObjectModel, upright: float) -> np.ndarray:
        rng = self.rng
        yaw = about_z(float(rng.uniform(-np.pi, np.pi)))
        if model.thing or rng.random() < upright or max(model.size) > 0.5:
            return yaw  # a thing of two rooms shows the same sides in both
        if rng.random() < 0.8:  # lying on a side
            side = float(rng.choice([-1, 1])) * np.pi / 2
            return yaw @ rotation((side, 0.0, 0.0) if rng.random() < 0.5 else (0.0, side, 0.0))
        tilt = rng.uniform(-np.pi, np.pi, 2)
        return yaw @ rotation((float(tilt[0]), float(tilt[1]), 0.0))

    @staticmethod
    def _within(local: np.ndarray, model: ObjectModel, surface: Surface) -> np.ndarray:
        """Keep the foot on the surface."""
        reach = min(model.size[0], model.size[1]) / 2
        limit = np.maximum(np.asarray(surface.size) / 2 - reach, 0.0)
        return np.clip(local, -limit, limit)

    def _rest(self, model: ObjectModel, spot: np.ndarray, turn: np.ndarray, base: Placed | None) -> Placed:
        """Just above whatever lies under the bounding box there."""
        low, high = turned_extent(model.size, turn)
        center = (low + high) / 2
        shift = np.array([spot[0] - center[0], spot[1] - center[1], spot[2] - low[2] + CLEAR_M])
        lift = 0.0
        base_index = next((k for k, placed in enumerate(self.scene.objects) if placed is base), -1)
        for _ in range(12):
            up = np.array([0.0, 0.0, lift])
            # a shelf's own box surrounds its boards: what stands on a thing is not blocked by it
            blocking = self.boxes.hit(low + shift + up, high + shift + up)
            if base is not None:
                blocking[base_index] = False
            if not blocking.any():
                break
            lift = float(self.boxes.high[blocking, 2].max()) + CLEAR_M - float(low[2] + shift[2])
        shift[2] += lift
        return Placed(model, (float(shift[0]), float(shift[1]), float(shift[2])), turn, movable=True)

    def _fill(self, container: Placed) -> None:
        """Put things into a bowl, pot, mug or box."""
        rng = self.rng
        if container.turn[2, 2] < 0.999:
            return
        for surface in container.model.surfaces:
            if not surface.inside or rng.random() < 0.45:
                continue
            top = container.pos[2] + surface.center[2]
            for _ in range(int(rng.integers(1, 4))):
                fits = (surface.size[0] * 0.9, surface.size[1] * 0.9, 0.25)
                model = self._small(("table",), fits, 0.5)
                if model is None or self.movable >= MAX_MOVABLE:
                    break
                turn = self._pose(model, 0.5)
                low, high = turned_extent(model.size, turn)
                offset = container.turn @ np.array([surface.center[0], surface.center[1], 0.0])
                x, y, _ = np.asarray(container.pos) + offset - (low + high) / 2
                z = top - low[2] + CLEAR_M
                placed = Placed(model, (float(x), float(y), float(z)), turn, movable=True)
                self._put(placed)
                top = z + high[2]

    def _free(self, placed: Placed, gap: float) -> bool:
        low, high = turned_extent(placed.model.size, placed.turn)
        return not self.boxes.hit(low + placed.pos, high + placed.pos, gap).any()

    def _put(self, placed: Placed) -> None:
        """Accept an object."""
        low, high = turned_extent(placed.model.size, placed.turn)
        self.scene.objects.append(placed)
        self.boxes.add(low + placed.pos, high + placed.pos)
        self.movable += placed.movable
