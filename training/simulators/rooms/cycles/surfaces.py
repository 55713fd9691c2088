"""MuJoCo's materials as surfaces that a path tracer understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import mujoco
import numpy as np

from ..mujoco_world import World

GLASS_TINT = 0.35  # of a colour as paint: light passes two or more faces of a glass, and each takes its share
BUMPS = {"fabric": 0.35, "wood": 0.15, "marble": 0.1, "tiles": 0.25, "leaves": 0.4, "paper": 0.05}
"""How strongly the brightness of a texture is read as relief."""


@dataclass(frozen=True)
class Surface:
    """What a material says of light, in the terms of Blender's Principled BSDF.

    `transmission` is the share of light that is refracted, `opacity` what does not pass straight through.
    """

    roughness: float
    metallic: float
    coat: float
    coat_roughness: float
    sheen: float
    transmission: float
    opacity: float
    bump: float
    emission: float


def surface_of(kind: str, shininess: float, alpha: float, emission: float, rng: np.random.Generator) -> Surface:
    """The surface of a look of the catalogue.

    Args:
        kind: Of the look (`geometry.model.LookKind`), "plain" where it is not known.
        shininess: MuJoCo's, 0..1, the exponent of its highlights.
        alpha: MuJoCo's, below 1 for what can be seen through.
        emission: MuJoCo's, light of its own as a share of the texture.
        rng: Source of what OpenGL's model does not tell: how polished, varnished or woven a thing is.
    """
    roughness = 0.05 + 0.9 * (1 - shininess) ** 1.5
    metallic = coat = sheen = transmission = 0.0
    coat_roughness = float(rng.uniform(0.03, 0.4))
    opacity = 1.0
    if kind == "metal":
        metallic, roughness = 1.0, max(0.08, 0.8 * roughness)
    elif kind == "glass":
        transmission, roughness = 1.0, float(rng.choice([0.0, rng.uniform(0.02, 0.3)], p=[0.75, 0.25]))
    elif kind in ("fabric", "leaves", "paper"):
        roughness, sheen = max(roughness, 0.7), float(rng.uniform(0, 0.5)) if kind == "fabric" else 0.0
    elif kind in ("plastic", "wood", "tiles", "marble", "screen") and rng.random() < 0.5:
        coat = float(rng.uniform(0.1, 0.8))
    if kind != "glass":
        opacity = alpha
    bump = BUMPS.get(kind, 0.0) * float(rng.uniform(0, 1.5))
    return Surface(roughness, metallic, coat, coat_roughness, sheen, transmission, opacity, bump, emission)


def add_materials(world: World, rng: np.random.Generator) -> list[Any]:
    """All materials of a world as Blender's, in MuJoCo's order."""
    model = world.model
    made = []
    for index in range(model.nmat):
        name = model.mat(index).name
        kind = world.material_kinds.get(name, "plain")
        surface = surface_of(
            kind,
            float(model.mat_shininess[index]),
            float(model.mat_rgba[index, 3]),
            float(model.mat_emission[index]),
            rng,
        )
        picture = _picture(model, index)
        if kind == "glass":
            picture = 1 - GLASS_TINT * (1 - picture)
        made.append(_material(name, surface, picture))
    return made


def _picture(model: mujoco.MjModel, material: int) -> np.ndarray:
    """(H, W, 3) float32 display values 0..1 of a material, the first row at v = 0, as Blender has it, too."""
    texture = int(model.mat_texid[material, mujoco.mjtTextureRole.mjTEXROLE_RGB])
    if texture < 0:
        return np.asarray(model.mat_rgba[material, :3], np.float32).reshape(1, 1, 3)
    height, width, channels = (int(getattr(model, f"tex_{what}")[texture]) for what in ("height", "width", "nchannel"))
    first = int(model.tex_adr[texture])
    values = model.tex_data[first : first + height * width * channels].reshape(height, width, channels)[..., :3]
    return values.astype(np.float32) / 255


def _material(name: str, surface: Surface, picture: np.ndarray) -> Any:
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    values = {
        "Roughness": surface.roughness,
        "Metallic": surface.metallic,
        "Coat Weight": surface.coat,
        "Coat Roughness": surface.coat_roughness,
        "Sheen Weight": surface.sheen,
        "Transmission Weight": surface.transmission,
        "Alpha": surface.opacity,
        "IOR": 1.45,
        "Emission Strength": surface.emission,
    }
    for key, value in values.items():
        shader.inputs[key].default_value = value
    sheet = nodes.new("ShaderNodeTexImage")
    sheet.image = _image(name, picture)
    links.new(sheet.outputs["Color"], shader.inputs["Base Color"])
    if surface.emission:
        links.new(sheet.outputs["Color"], shader.inputs["Emission Color"])
    if surface.bump:
        bump = nodes.new("ShaderNodeBump")
        bump.inputs["Strength"].default_value, bump.inputs["Distance"].default_value = surface.bump, 0.003
        links.new(sheet.outputs["Color"], bump.inputs["Height"])
        links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    if surface.transmission:
        _let_lamps_through(nodes, links, shader, sheet)
    return material


def _let_lamps_through(nodes: Any, links: Any, shader: Any, sheet: Any) -> None:
    """Lamps shine straight through glass: refracted light meets a small one by chance alone, and shadows turn black."""
    path, clear, mix = (nodes.new(f"ShaderNode{kind}") for kind in ("LightPath", "BsdfTransparent", "MixShader"))
    links.new(sheet.outputs["Color"], clear.inputs["Color"])
    links.new(path.outputs["Is Shadow Ray"], mix.inputs[0])
    links.new(shader.outputs[0], mix.inputs[1])
    links.new(clear.outputs[0], mix.inputs[2])
    links.new(mix.outputs[0], nodes["Material Output"].inputs["Surface"])


def _image(name: str, picture: np.ndarray) -> Any:
    height, width = picture.shape[:2]
    image = bpy.data.images.new(name, width, height)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = picture
    image.pixels.foreach_set(rgba.ravel())
    image.update()
    return image
