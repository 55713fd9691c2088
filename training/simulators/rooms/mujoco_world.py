"""A scene as a MuJoCo model: compiled, settled by physics, ready to be looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from .geometry.model import Look, ObjectModel, Solid, Vec3
from .looks.materials import SMALL_TEXTURE_SIZE, TEXTURE_SIZE, Layout, Material, layout_of, make_material, randomised
from .looks.pictures import Pictures
from .meshes import Mesh, Visual, object_visuals
from .scene import Placed, Scene

MAX_LIGHTS = 3
COLLIDER_GROUP = 3  # not drawn
TIMESTEP_S = 0.005
MAX_STEPS = 300
REST_SPEED = 0.03  # m/s and rad/s
RANDOM_LOOK_RATE = 0.15
SAMPLES_PER_OBJECT = 400
LARGE_M = 0.5  # larger things get the larger textures
GEOM_TYPES = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "ellipsoid": mujoco.mjtGeom.mjGEOM_ELLIPSOID,
}


@dataclass(frozen=True)
class WorldObject:
    """An object as built: which body it is, its parts by index, and points spread evenly over its visible surface."""

    placed: Placed
    body: int
    parts: tuple[str, ...]
    points: np.ndarray  # (S, 3) body frame, metres
    normals: np.ndarray  # (S, 3)


class World:
    """A compiled and settled scene.

    Args:
        scene: What stands where.
        rng: Source of all randomness.
        max_size_hw: Largest picture that will be drawn of it.
        multisamples: Samples per pixel.
        pictures: The user's own, for surfaces.
        extend: Adds more to the model before it is compiled, such as a robot; joints that it adds keep their damping.

    Attributes:
        model, data: MuJoCo's, at rest.
        objects: The instances.
        geom_object: (G,) int, index into `objects` or -1 for background.
        geom_part: (G,) int, index into the object's `parts`.
        geom_hole_rate: (G,) float, chance that a depth camera sees nothing.
        material_kinds: Kind of look by name of the model's material; not of what `extend` adds.
    """

    def __init__(
        self,
        scene: Scene,
        rng: np.random.Generator,
        max_size_hw: tuple[int, int],
        multisamples: int = 4,
        pictures: Pictures | None = None,
        extend: Callable[[mujoco.MjSpec], object] | None = None,
    ) -> None:
        self.scene = scene
        self._pictures = pictures
        self._rng = rng
        self._spec = _empty_spec(max_size_hw, multisamples)
        self._tags: list[tuple[str, int, int, float]] = []  # geom name, object, part, hole rate
        self._parts: list[tuple[str, ...]] = []
        self.material_kinds: dict[str, str] = {}
        self._samples: list[tuple[np.ndarray, np.ndarray]] = []
        self._add_background()
        for index, placed in enumerate(scene.objects):
            self._add_object(index, placed)
        if extend is not None:
            extend(self._spec)
        self.model: mujoco.MjModel = self._spec.compile()
        self.data = mujoco.MjData(self.model)
        self._index_geoms()
        for item in self.objects:
            first = int(self.model.body_dofadr[item.body])
            self.model.dof_damping[first : first + int(self.model.body_dofnum[item.body])] = 2e-4
        self.settle()

    # --- building

    def _add_background(self) -> None:
        room = self.scene.room
        model = ObjectModel("", "room", tuple(room.solids), room.looks, room.size, 0.0, "floor")
        self._add_solids(self._spec.worldbody, model, -1)

    def _add_object(self, index: int, placed: Placed) -> None:
        quat = np.empty(4)
        mujoco.mju_mat2Quat(quat, np.ascontiguousarray(placed.turn).reshape(9))
        body = self._spec.worldbody.add_body(name=f"object_{index}", pos=list(placed.pos), quat=quat)
        if placed.movable:
            body.add_freejoint()
            body.mass = float(np.clip(placed.model.mass, 0.05, 3.0))
            body.inertia = _box_inertia(body.mass, placed.model.size)
            body.ipos = [0.0, 0.0, 0.4 * placed.model.size[2]]
            body.explicitinertial = True
        parts, points, normals = self._add_solids(body, placed.model, index if placed.is_instance else -1)
        self._parts.append(parts)
        self._samples.append((points, normals))

    def _add_solids(
        self, body: mujoco.MjsBody, model: ObjectModel, index: int
    ) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        rng = np.random.default_rng(model.thing) if model.thing else self._rng
        rate = RANDOM_LOOK_RATE if index >= 0 else RANDOM_LOOK_RATE / 2
        looks = {name: randomised(look, rng, rate) for name, look in model.looks.items()}
        materials = self._materials(model, looks, rng)
        tile_m = {key: material.tile_m for key, material in materials.items()}
        visuals = object_visuals(model, looks, tile_m)
        parts = tuple(dict.fromkeys(visual.part for visual in visuals))
        names = {key: self._add_material(material) for key, material in materials.items()}
        for visual in visuals:
            key = (visual.look, visual.layout)
            self._add_visual(body, visual, names[key], (index, parts.index(visual.part), materials[key].hole_rate))
        for solid in model.solids:
            if solid.collides:
                self._add_collider(body, solid)
        points, normals = sample_surface([visual.mesh for visual in visuals], SAMPLES_PER_OBJECT, rng)
        return parts, points, normals

    def _materials(
        self, model: ObjectModel, looks: dict[str, Look], rng: np.random.Generator
    ) -> dict[tuple[str, Layout], Material]:
        found: dict[tuple[str, Layout], Vec3] = {}
        for solid in model.solids:
            if solid.visible:
                key = (solid.look, layout_of(looks[solid.look], solid.kind == "box"))
                size = solid.size if solid.kind == "box" else (1.0, 1.0, 1.0)
                found.setdefault(key, size)  # type: ignore[arg-type]
        texture_size = TEXTURE_SIZE if max(model.size) > LARGE_M else SMALL_TEXTURE_SIZE
        return {
            key: make_material(looks[key[0]], key[1], rng, size, texture_size, self._pictures)
            for key, size in found.items()
        }

    def _add_material(self, material: Material) -> str:
        name = f"material_{len(self._spec.materials)}"
        height, width = material.picture.shape[:2]
        texture = self._spec.add_texture(
            name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=width, height=height, nchannel=3
        )
        texture.data = np.flipud(material.picture).tobytes()  # MuJoCo: v = 0 is the first row; ours: v is up
        made = self._spec.add_material(
            name=name,
            rgba=[1, 1, 1, material.alpha],
            specular=material.specular,
            shininess=material.shininess,
            emission=material.emission,
        )
        made.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        self.material_kinds[name] = material.kind
        return name

    def _add_visual(self, body: mujoco.MjsBody, visual: Visual, material: str, tag: tuple[int, int, float]) -> None:
        points = visual.mesh.points
        if len(points) < 12 or np.ptp(points, 0).max() < 1e-4:  # MuJoCo refuses meshes without extent
            return
        name = f"visual_{len(self._tags)}"
        corners = np.arange(len(points), dtype=np.int32)
        mesh = self._spec.add_mesh(name=name, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
        mesh.uservert = points.astype(np.float32).ravel()
        mesh.usernormal = visual.mesh.normals.astype(np.float32).ravel()
        mesh.usertexcoord = visual.mesh.uv.astype(np.float32).ravel()
        mesh.userface = corners
        mesh.userfacenormal = corners
        mesh.userfacetexcoord = corners
        body.add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=name,
            material=material,
            contype=0,
            conaffinity=0,
            mass=0,
        )
        self._tags.append((name, *tag))

    def _add_collider(self, body: mujoco.MjsBody, solid: Solid) -> None:
        options = {
            "pos": list(solid.pos),
            "group": COLLIDER_GROUP,
            "condim": 4,
            "friction": [0.8, 0.01, 0.001],
            "mass": 0,
        }
        if solid.kind != "mesh":
            half = [0.5 * edge for edge in solid.size]
            if solid.kind in ("cylinder", "capsule", "sphere"):
                half[0] = solid.size[0]
            body.add_geom(type=GEOM_TYPES[solid.kind], size=(half + [0, 0])[:3], quat=_quat(solid.euler), **options)
            return
        assert solid.vertices is not None
        points = np.unique(np.asarray(solid.vertices, np.float32), axis=0)
        if len(points) < 4 or np.ptp(points, 0).min() < 1e-4:
            return
        name = f"hull_{len(self._spec.meshes)}"
        mesh = self._spec.add_mesh(name=name, maxhullvert=24, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX)
        mesh.uservert = points.ravel()
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=name, quat=_quat(solid.euler), **options)

    def _index_geoms(self) -> None:
        self.geom_object = np.full(self.model.ngeom, -1, np.int32)
        self.geom_part = np.zeros(self.model.ngeom, np.int32)
        self.geom_hole_rate = np.zeros(self.model.ngeom, np.float32)
        for name, index, part, rate in self._tags:
            geom = self.model.geom(name).id
            self.geom_object[geom], self.geom_part[geom], self.geom_hole_rate[geom] = index, part, rate
        self.objects = [
            WorldObject(placed, self.model.body(f"object_{i}").id, self._parts[i], *self._samples[i])
            for i, placed in enumerate(self.scene.objects)
        ]

    # --- physics

    def settle(self) -> None:
        """Let everything fall until it rests; what still flies or has sunk into something is taken away."""
        for _ in range(MAX_STEPS // 20):
            mujoco.mj_step(self.model, self.data, 20)
            if self.data.time > 0.5 and np.abs(self.data.qvel).max(initial=0.0) < REST_SPEED:
                break
        mujoco.mj_forward(self.model, self.data)
        if not np.isfinite(self.data.qpos).all():
            raise FloatingPointError("expected finite poses after settling, got NaN; the scene is left out")
        self._remove(self._unsound_bodies())

    def _unsound_bodies(self) -> set[int]:
        """Movable bodies that moved fast at the end, left the room, or overlap others by more than 1.5 cm."""
        unsound = set()
        size = np.asarray(self.scene.room.size)
        for item in self.objects:
            if not item.placed.movable:
                continue
            start = self.model.body_dofadr[item.body]
            pos = self.data.xpos[item.body]
            outside = np.any(np.abs(pos[:2]) > size[:2] / 2) or not -0.05 < pos[2] < size[2]
            if outside or np.abs(self.data.qvel[start : start + 3]).max() > 0.6:
                unsound.add(item.body)
        for index in range(self.data.ncon):
            contact = self.data.contact[index]
            if contact.dist < -0.015:
                bodies = [int(self.model.geom_bodyid[geom]) for geom in contact.geom]
                movable = [body for body in bodies if self.model.body_dofnum[body] > 0]
                if movable:
                    unsound.add(max(movable))
        return unsound

    def _remove(self, bodies: set[int]) -> None:
        """Put bodies far below the floor, out of every camera's sight, and apart: they would push each other away."""
        for place, body in enumerate(sorted(bodies)):
            start = self.model.jnt_qposadr[self.model.body_jntadr[body]]
            self.data.qpos[start : start + 3] = (2.0 * place, 0.0, -50.0)
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)


def sample_surface(meshes: list[Mesh], count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`count` points and normals (S, 3), uniform over the area of all triangles."""
    points = np.concatenate([mesh.points for mesh in meshes]).reshape(-1, 3, 3)
    normals = np.concatenate([mesh.normals for mesh in meshes])[::3]
    area = np.linalg.norm(np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]), axis=1)
    chosen = np.searchsorted(np.cumsum(area), rng.random(count) * area.sum()).clip(0, len(area) - 1)
    first, second = rng.random((2, count, 1))
    flip = first + second > 1
    first, second = np.where(flip, 1 - first, first), np.where(flip, 1 - second, second)
    a, b, c = points[chosen, 0], points[chosen, 1], points[chosen, 2]
    return a + first * (b - a) + second * (c - a), normals[chosen]


def _empty_spec(max_size_hw: tuple[int, int], multisamples: int) -> mujoco.MjSpec:
    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP_S
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.iterations = 12
    spec.option.ls_iterations = 8
    spec.visual.global_.offheight, spec.visual.global_.offwidth = max_size_hw
    spec.visual.quality.offsamples = multisamples
    spec.visual.quality.shadowsize = 1024
    spec.visual.headlight.active = 1
    # shadow maps reach from 0.2 to 16 m: with MuJoCo's default of 0.02 to 100 m their depth is too coarse, surfaces
    # then shade themselves in stripes
    spec.stat.extent = 2.0
    spec.visual.map.znear, spec.visual.map.zfar = 0.1, 8.0
    spec.stat.center = [0, 0, 0.7]
    for index in range(MAX_LIGHTS):
        spec.worldbody.add_light(name=f"light_{index}", pos=[0, 0, 2], dir=[0, 0, -1], castshadow=True)
    return spec


def _quat(euler: Vec3) -> np.ndarray:
    quat = np.empty(4)
    mujoco.mju_euler2Quat(quat, np.asarray(euler, float), "xyz")
    return quat


def _box_inertia(mass: float, size: Vec3) -> list[float]:
    x, y, z = (max(edge, 0.02) for edge in size)
    return [mass * (b * b + c * c) / 12 for b, c in ((y, z), (x, z), (x, y))]
