"""A `World` in Blender: its meshes where physics left them, a pinhole camera, lamps, and a sky behind the walls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy
import mujoco
import numpy as np
from mathutils import Matrix, Vector

from ..cameras import Light, View
from ..mujoco_world import COLLIDER_GROUP, World
from .surfaces import add_materials

SHELL_ABOVE_M = 0.5  # what belongs to the room and reaches higher is wall or ceiling, not floor or carpet
SKY_SIZE_HW = (32, 64)
SENSOR_MM = 36.0
SUN_RATE = 0.15
SPOT_RATE = 0.25
NEAREST_LAMP_M = 1.3
AMBIENT_POWER = 1.8  # OpenGL adds display values; as light, what a lamp leaves in the dark is darker


def add_things(world: World, rng: np.random.Generator) -> None:
    """Put everything that is drawn of a world into Blender's empty scene.

    Walls and ceiling are seen, but light from outside passes through them: a closed room would need many more samples,
    and `random_lights` asks for ambient light besides the lamps.
    """
    materials = add_materials(world, rng)
    model = world.model
    reflect_walls = bool(rng.random() < 0.5)
    for geom in range(model.ngeom):
        if model.geom_group[geom] == COLLIDER_GROUP:
            continue
        if model.geom_type[geom] != mujoco.mjtGeom.mjGEOM_MESH or model.geom_matid[geom] < 0:
            raise ValueError(f"expected meshes with a material for Cycles, got another geom, {geom}: use OpenGL")
        item = bpy.data.objects.new(f"geom_{geom}", _mesh(model, int(model.geom_dataid[geom])))
        item.data.materials.append(materials[model.geom_matid[geom]])
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = world.data.geom_xmat[geom].reshape(3, 3), world.data.geom_xpos[geom]
        item.matrix_world = Matrix(pose.tolist())
        bpy.context.collection.objects.link(item)
        if _is_shell(world, geom):
            item.visible_shadow = item.visible_diffuse = False
            item.visible_glossy = reflect_walls


def _is_shell(world: World, geom: int) -> bool:
    """Whether a geom is wall, ceiling or what hangs there."""
    model = world.model
    mesh = int(model.geom_dataid[geom])
    first, count = int(model.mesh_vertadr[mesh]), int(model.mesh_vertnum[mesh])
    heights = model.mesh_vert[first : first + count] @ world.data.geom_xmat[geom].reshape(3, 3)[2]
    return model.geom_bodyid[geom] == 0 and heights.max() + world.data.geom_xpos[geom, 2] > SHELL_ABOVE_M


def _mesh(model: mujoco.MjModel, index: int) -> Any:
    """A mesh of MuJoCo with its normals and texture coordinates."""
    corners = slice(int(model.mesh_faceadr[index]), int(model.mesh_faceadr[index] + model.mesh_facenum[index]))
    faces = model.mesh_face[corners]
    first = int(model.mesh_vertadr[index])
    points = model.mesh_vert[first : first + int(model.mesh_vertnum[index])]
    normals = model.mesh_normal[int(model.mesh_normaladr[index]) + model.mesh_facenormal[corners].ravel()]
    mesh = bpy.data.meshes.new(f"mesh_{index}")
    mesh.vertices.add(len(points))
    mesh.vertices.foreach_set("co", points.ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.update()
    mesh.attributes.new("custom_normal", "FLOAT_VECTOR", "CORNER").data.foreach_set("vector", normals.ravel())
    if model.mesh_texcoordadr[index] >= 0:
        uv = model.mesh_texcoord[int(model.mesh_texcoordadr[index]) + model.mesh_facetexcoord[corners].ravel()]
        mesh.uv_layers.new(do_init=False).data.foreach_set("uv", uv.ravel())
    return mesh


# --- camera


def set_camera(view: View) -> None:
    """The pinhole of a view: where it stands, its focal lengths and its principal point."""
    scene, camera = bpy.context.scene, view.camera
    if scene.camera is None:
        scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        bpy.context.collection.objects.link(scene.camera)
    lens = scene.camera.data
    lens.sensor_fit, lens.sensor_width, lens.lens = "HORIZONTAL", SENSOR_MM, SENSOR_MM * camera.fx / camera.width
    # shifts are in widths of the picture; pixels are counted from the centre of the first one
    lens.shift_x = ((camera.width - 1) / 2 - camera.cx) / camera.width
    lens.shift_y = (camera.cy - (camera.height - 1) / 2) * camera.fx / camera.fy / camera.width
    lens.clip_start, lens.clip_end = 0.01, 100.0
    scene.render.resolution_x, scene.render.resolution_y = camera.width, camera.height
    # of a pixel's two sides only the ratio counts, and Blender raises what is below 1 to 1
    largest = max(camera.fx, camera.fy)
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = largest / camera.fx, largest / camera.fy
    scene.camera.matrix_world = Matrix((view.pose @ np.diag([1.0, -1.0, -1.0, 1.0])).tolist())  # looks along -z, y up


# --- light


def looked_at(world: World, view: View) -> np.ndarray:
    """(3,) what the middle of a view shows, between 0.4 and 4 m away."""
    eye, forward = np.ascontiguousarray(view.pose[:3, 3]), np.ascontiguousarray(view.pose[:3, 2])
    drawn = np.ones(mujoco.mjNGROUP, np.uint8)
    drawn[COLLIDER_GROUP] = 0
    distance_m = mujoco.mj_ray(world.model, world.data, eye, forward, drawn, 1, -1, np.zeros(1, np.int32))
    return eye + forward * (np.clip(distance_m, 0.4, 4.0) if distance_m >= 0 else 4.0)


def set_lamps(lights: Sequence[Light], target: np.ndarray, rng: np.random.Generator) -> None:
    """Lamps of a size, in the place of those of the last view.

    OpenGL's lamps do not fade with distance, so each gets the power that makes it as bright at `target` (3,) as
    OpenGL's, measured against the ambient light. One that is too near is moved away: it would outshine everything.
    """
    for item in [item for item in bpy.data.objects if item.type == "LIGHT"]:
        bpy.data.lights.remove(item.data)  # takes its object along
    for light in lights:
        distance = max(float(np.linalg.norm(light.pos - target)), 1e-3)
        pos = target + (light.pos - target) * max(1.0, NEAREST_LAMP_M / distance)
        distance = max(distance, NEAREST_LAMP_M)
        strength = float(np.max(light.rgb))
        if light.directional or rng.random() < SUN_RATE:
            lamp = bpy.data.lights.new("lamp", "SUN")
            lamp.energy, lamp.angle = np.pi * strength, float(np.radians(rng.uniform(0.5, 8.0)))
        elif rng.random() < SPOT_RATE:
            lamp = bpy.data.lights.new("lamp", "SPOT")
            lamp.energy = 4 * np.pi**2 * distance**2 * strength
            lamp.spot_size, lamp.spot_blend = 2 * float(np.radians(light.cutoff)), float(rng.uniform(0.3, 1.0))
            lamp.shadow_soft_size = float(rng.uniform(0.02, 0.15))
        else:
            lamp = bpy.data.lights.new("lamp", "AREA")
            lamp.energy = np.pi**2 * distance**2 * strength
            lamp.shape = str(rng.choice(["DISK", "RECTANGLE"]))
            low, high = (0.06, 0.6) if light.shadow else (0.4, 1.4)
            lamp.size, lamp.size_y = (float(size) for size in np.exp(rng.uniform(np.log(low), np.log(high), 2)))
        lamp.color = (light.rgb / max(strength, 1e-6)).tolist()
        item = bpy.data.objects.new("lamp", lamp)
        item.location = pos.tolist()
        item.rotation_euler = Vector(light.direction.tolist()).to_track_quat("-Z", "Y").to_euler()
        item.visible_camera = False
        bpy.context.collection.objects.link(item)


def add_sky(rng: np.random.Generator) -> None:
    """What shines through the walls: brighter above than below, with windows or lit walls here and there."""
    world = bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    sheet = nodes.new("ShaderNodeTexEnvironment")
    sheet.image = bpy.data.images.new("sky", *SKY_SIZE_HW[::-1], float_buffer=True)
    rgba = np.ones((*SKY_SIZE_HW, 4), np.float32)
    rgba[..., :3] = sky_picture(rng)
    sheet.image.pixels.foreach_set(rgba.ravel())
    sheet.image.update()
    tinted = nodes.new("ShaderNodeMix")
    tinted.data_type, tinted.blend_type = "RGBA", "MULTIPLY"
    tinted.inputs["Factor"].default_value = 1.0
    colours = [socket for socket in tinted.inputs if socket.type == "RGBA"]
    links.new(sheet.outputs["Color"], colours[0])
    links.new(next(s for s in tinted.outputs if s.type == "RGBA"), nodes["Background"].inputs["Color"])
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 2 * SKY_SIZE_HW[1]


def set_ambient(ambient: np.ndarray) -> None:
    """Colour and strength (3,) of the sky."""
    mix = next(node for node in bpy.context.scene.world.node_tree.nodes if node.bl_idname == "ShaderNodeMix")
    socket = [socket for socket in mix.inputs if socket.type == "RGBA"][1]
    socket.default_value = (*(ambient**AMBIENT_POWER).tolist(), 1.0)


def sky_picture(rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) float32 light from all directions, rows from straight down to straight up.

    A level surface that faces up gets as much of it as of a sky that is 1 everywhere.
    """
    height, width = SKY_SIZE_HW
    elevation = (np.arange(height) + 0.5) / height * np.pi - np.pi / 2
    below, above = rng.uniform(0.1, 0.5), rng.uniform(0.5, 1.5)
    level = np.interp(np.sin(elevation), [-1, 0, 1], [below, rng.uniform(0.3, 1.0), above])
    sky = np.repeat(np.repeat(level[:, None, None], width, 1), 3, 2)
    for _ in range(int(rng.integers(0, 4))):
        tall, wide = int(rng.integers(3, 9)), int(rng.integers(3, 14))
        low, left = int(rng.integers(height // 2, height - tall)), int(rng.integers(width))
        columns = np.arange(left, left + wide) % width
        sky[low : low + tall, columns] += rng.uniform(2, 8) * (1 + rng.normal(0, 0.08, 3))
    weight = np.clip(np.sin(elevation), 0, None) * np.cos(elevation)
    received = (sky.mean((1, 2)) * weight).sum() / weight.sum()
    return np.clip(sky / received, 0, None).astype(np.float32)
