"""Renders the demo's scene with Blender's path tracer: run by the Python that has `bpy`, on what `scene.py` wrote.

    BLENDER_PYTHON tools/demo_scene/render.py scene.npz FOLDER [--samples 48] [--only 0 8]

Writes `image_NNN.png` and `depth_NNN.npy` (metres along the camera's axis) into the folder; frames that are there are
left alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

FAR_M = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=48, help="paths per pixel")
    parser.add_argument("--scale", type=int, default=100, help="percent of the camera's size, for a quick look")
    parser.add_argument("--only", type=int, nargs="*", help="these frames alone")
    args = parser.parse_args()
    data = np.load(args.scene)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    _add_things(data)
    _add_room(*data["table"])
    _add_lights()
    camera = _add_camera(*data["camera"], scale=args.scale)
    _set_up_cycles(args.samples)
    args.folder.mkdir(parents=True, exist_ok=True)
    for k, pose in enumerate(data["poses"]):
        done = args.folder / f"depth_{k:03d}.npy"
        if (args.only is None or k in args.only) and not done.exists():
            camera.matrix_world = Matrix(pose @ np.diag([1.0, -1.0, -1.0, 1.0]))  # Blender looks along -z, y up
            np.save(done, _render(args.folder / f"image_{k:03d}.png", args.folder))


# --- what is there


def _add_things(data: Any) -> None:
    names = sorted({key.rsplit("/", 1)[0] for key in data.files if "/" in key})
    for name in names:
        points, normals, uv, look, picture = (
            data[f"{name}/{k}"] for k in ("points", "normals", "uv", "look", "picture")
        )
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata(points.tolist(), [], np.arange(len(points)).reshape(-1, 3).tolist())
        layer = mesh.uv_layers.new()
        layer.data.foreach_set("uv", uv.ravel())
        mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
        mesh.normals_split_custom_set(normals.tolist())
        mesh.materials.append(_material(name, look[0], tuple(map(float, look[1:4])), picture))
        bpy.context.collection.objects.link(bpy.data.objects.new(name, mesh))


def _add_room(width_m: float, depth_m: float, height_m: float) -> None:
    _box(
        "top", (width_m, depth_m, 0.035), (0, 0, height_m - 0.0175), _wood("top", (0.46, 0.27, 0.13), 0.35), bevel=0.006
    )
    legs = _wood("legs", (0.30, 0.17, 0.08), 0.45)
    for x in (-1, 1):
        for y in (-1, 1):
            place = (x * (width_m / 2 - 0.07), y * (depth_m / 2 - 0.07), (height_m - 0.035) / 2)
            _box("leg", (0.06, 0.06, height_m - 0.035), place, legs, bevel=0.004)
    _box("floor", (8, 8, 0.02), (0, 0, -0.01), _planks())
    wall = _material("wall", "plain", (0.72, 0.69, 0.62), np.zeros((0, 0, 3)))
    _box("wall", (8, 0.02, 3), (0, 2.2, 1.5), wall)
    _box("side", (0.02, 8, 3), (-2.6, 0, 1.5), wall)
    _box(
        "rug", (2.3, 1.7, 0.012), (0.1, 0.1, 0.006), _material("rug", "fabric", (0.30, 0.33, 0.36), np.zeros((0, 0, 3)))
    )
    _box(
        "skirting",
        (8, 0.03, 0.09),
        (0, 2.18, 0.045),
        _material("skirting", "plain", (0.8, 0.79, 0.76), np.zeros((0, 0, 3))),
    )


def _box(name: str, size: tuple[float, ...], place: tuple[float, ...], material: Any, bevel: float = 0.0) -> None:
    bpy.ops.mesh.primitive_cube_add(size=1, location=place)
    box = bpy.context.object
    box.name, box.scale = name, size
    bpy.ops.object.transform_apply(location=False, scale=True)
    box.data.materials.append(material)
    if bevel:
        modifier = box.modifiers.new("bevel", "BEVEL")
        modifier.width, modifier.segments = bevel, 3


def _add_lights() -> None:
    """A window to the left, the ceiling's bounce, and a warm lamp behind the camera."""
    for name, place, aim, size, watts, rgb in (
        ("window", (-2.3, 0.4, 2.0), (0, 0, 0.7), 0.6, 165, (1.0, 0.97, 0.92)),
        ("ceiling", (0.3, 0.2, 2.7), (0, 0, 0.7), 2.5, 12, (1.0, 0.96, 0.90)),
        ("lamp", (1.6, -1.5, 2.2), (0, 0, 0.7), 0.5, 9, (1.0, 0.82, 0.62)),
    ):
        light = bpy.data.lights.new(name, "AREA")
        light.energy, light.color, light.size = watts, rgb, size
        item = bpy.data.objects.new(name, light)
        item.location = place
        item.rotation_euler = (Vector(aim) - Vector(place)).to_track_quat("-Z", "Y").to_euler()
        bpy.context.collection.objects.link(item)
    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.75, 0.82, 0.95, 1)
    world.node_tree.nodes["Background"].inputs[1].default_value = 0.16


# --- what it looks like


def _material(name: str, kind: str, rgb: tuple[float, ...], picture: Any) -> Any:
    """A look of the catalogue as a surface for the path tracer."""
    if kind == "wood":
        return _wood(name, rgb, 0.45)
    material, nodes, links, surface = _principled(name)
    roughness = {"plastic": 0.22, "metal": 0.28, "glass": 0.03, "screen": 0.12, "plain": 0.55, "fabric": 0.9}
    surface.inputs["Roughness"].default_value = roughness.get(kind, 0.6)
    surface.inputs["Base Color"].default_value = (*rgb, 1)
    if kind == "plastic":
        surface.inputs["Coat Weight"].default_value = 0.4
    elif kind == "metal":
        surface.inputs["Metallic"].default_value = 1.0
    elif kind == "glass":
        surface.inputs["Transmission Weight"].default_value = 1.0
    if picture.size:
        image = bpy.data.images.new(name, picture.shape[1], picture.shape[0])
        rgba = np.ones((*picture.shape[:2], 4), np.float32)
        rgba[..., :3] = picture[::-1] / 255.0
        image.pixels.foreach_set(rgba.ravel())
        image.pack()
        sheet = nodes.new("ShaderNodeTexImage")
        sheet.image = image
        links.new(sheet.outputs["Color"], surface.inputs["Base Color"])
    elif kind in ("marble", "leaves", "fabric", "plain"):
        scale, depth = {"marble": (45, 0.35), "leaves": (30, 0.35), "fabric": (260, 0.3), "plain": (9, 0.06)}[kind]
        _mottled(nodes, links, surface, rgb, scale, depth)
        if kind in ("marble", "fabric"):
            _bumpy(nodes, links, surface, scale, 0.25)
    return material


def _wood(name: str, rgb: tuple[float, ...], roughness: float) -> Any:
    material, nodes, links, surface = _principled(name)
    surface.inputs["Roughness"].default_value = roughness
    place, stretch, grain, ramp = (
        nodes.new(f"ShaderNode{kind}") for kind in ("TexCoord", "Mapping", "TexNoise", "ValToRGB")
    )
    stretch.inputs["Scale"].default_value = (1.2, 16.0, 16.0)
    grain.inputs["Scale"].default_value, grain.inputs["Detail"].default_value = 2.2, 9.0
    grain.inputs["Distortion"].default_value = 0.6
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = 0.32, 0.68
    ramp.color_ramp.elements[0].color = (*(0.55 * c for c in rgb), 1)
    ramp.color_ramp.elements[1].color = (*(1.15 * c for c in rgb), 1)
    links.new(place.outputs["Object"], stretch.inputs["Vector"])
    links.new(stretch.outputs["Vector"], grain.inputs["Vector"])
    links.new(grain.outputs["Fac"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], surface.inputs["Base Color"])
    return material


def _planks() -> Any:
    material, nodes, links, surface = _principled("planks")
    surface.inputs["Roughness"].default_value = 0.4
    place, bricks = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeTexBrick")
    bricks.inputs["Color1"].default_value, bricks.inputs["Color2"].default_value = (
        (0.33, 0.22, 0.13, 1),
        (0.25, 0.16, 0.09, 1),
    )
    bricks.inputs["Mortar"].default_value, bricks.inputs["Scale"].default_value = (0.06, 0.04, 0.02, 1), 1.0
    bricks.inputs["Mortar Size"].default_value, bricks.inputs["Brick Width"].default_value = 0.003, 1.1
    bricks.inputs["Row Height"].default_value = 0.13
    links.new(place.outputs["Object"], bricks.inputs["Vector"])
    links.new(bricks.outputs["Color"], surface.inputs["Base Color"])
    return material


def _principled(name: str) -> tuple[Any, Any, Any, Any]:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    return material, tree.nodes, tree.links, tree.nodes["Principled BSDF"]


def _mottled(nodes: Any, links: Any, surface: Any, rgb: tuple[float, ...], scale: float, depth: float) -> None:
    """The colour, lighter and darker in spots."""
    place, noise, ramp = (nodes.new(f"ShaderNode{kind}") for kind in ("TexCoord", "TexNoise", "ValToRGB"))
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = scale, 6.0
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = 0.3, 0.7
    ramp.color_ramp.elements[0].color = (*((1 - depth) * c for c in rgb), 1)
    ramp.color_ramp.elements[1].color = (*((1 + depth / 2) * c for c in rgb), 1)
    links.new(place.outputs["Object"], noise.inputs["Vector"])
    links.new(noise.outputs["Fac"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], surface.inputs["Base Color"])


def _bumpy(nodes: Any, links: Any, surface: Any, scale: float, strength: float) -> None:
    place, noise, bump = (nodes.new(f"ShaderNode{kind}") for kind in ("TexCoord", "TexNoise", "Bump"))
    noise.inputs["Scale"].default_value = 2 * scale
    bump.inputs["Strength"].default_value = strength
    bump.inputs["Distance"].default_value = 0.002
    links.new(place.outputs["Object"], noise.inputs["Vector"])
    links.new(noise.outputs["Fac"], bump.inputs["Height"])
    links.new(bump.outputs["Normal"], surface.inputs["Normal"])


# --- camera and rendering


def _add_camera(fx: float, cx: float, cy: float, width: float, height: float, scale: int) -> Any:
    lens = bpy.data.cameras.new("camera")
    lens.sensor_fit, lens.sensor_width, lens.lens = "HORIZONTAL", 36.0, 36.0 * fx / width
    # pixel centres at whole numbers: the principal point of the frame's middle is (W - 1) / 2
    lens.shift_x, lens.shift_y = ((width - 1) / 2 - cx) / width, (cy - (height - 1) / 2) / width
    lens.clip_start, lens.clip_end = 0.05, FAR_M
    camera = bpy.data.objects.new("camera", lens)
    bpy.context.collection.objects.link(camera)
    scene = bpy.context.scene
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = int(width), int(height)
    scene.render.resolution_percentage = scale
    return camera


def _set_up_cycles(samples: int) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.seed = samples, True, 1
    scene.cycles.max_bounces, scene.cycles.diffuse_bounces = 6, 3
    scene.render.use_persistent_data = True
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.view_settings.exposure = 0.5
    scene.view_layers[0].use_pass_z = True
    scene.render.image_settings.file_format = "PNG"
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    layers, out = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeOutputFile")
    composite = tree.nodes.new("CompositorNodeComposite")
    tree.links.new(layers.outputs["Image"], composite.inputs["Image"])
    out.format.file_format, out.format.color_depth, out.format.exr_codec = "OPEN_EXR", "32", "ZIP"
    out.file_slots[0].path = "z_"
    tree.links.new(layers.outputs["Depth"], out.inputs[0])


def _render(image: Path, folder: Path) -> np.ndarray:
    """One frame; (H, W) float32 metres along the camera's axis."""
    scene = bpy.context.scene
    scene.render.filepath = str(image)
    for node in scene.node_tree.nodes:
        if node.bl_idname == "CompositorNodeOutputFile":
            node.base_path = str(folder)
    bpy.ops.render.render(write_still=True)
    written = folder / f"z_{scene.frame_current:04d}.exr"
    exr = bpy.data.images.load(str(written))
    width, height = exr.size
    values = np.empty(width * height * 4, np.float32)
    exr.pixels.foreach_get(values)
    bpy.data.images.remove(exr)
    written.unlink()
    return values.reshape(height, width, 4)[::-1, :, 0].copy()


if __name__ == "__main__":
    main()
