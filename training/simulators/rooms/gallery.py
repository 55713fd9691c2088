"""A contact sheet of the catalogue: every builder once, in plain colours, each with its name.

python -m saom_training.simulators.rooms.gallery gallery.png            # all classes
python -m saom_training.simulators.rooms.gallery mugs.png --only Mug --each 12
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import mujoco
import numpy as np
from PIL import Image, ImageDraw

from .geometry.model import Builder, ObjectModel, Solid

_KINDS = {
    "box": mujoco.mjtGeom.mjGEOM_BOX,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "capsule": mujoco.mjtGeom.mjGEOM_CAPSULE,
    "sphere": mujoco.mjtGeom.mjGEOM_SPHERE,
    "ellipsoid": mujoco.mjtGeom.mjGEOM_ELLIPSOID,
    "mesh": mujoco.mjtGeom.mjGEOM_MESH,
}


def plain_spec(model: ObjectModel) -> mujoco.MjSpec:
    """The object alone, free to fall on a plane, in the base colours of its looks."""
    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth = spec.visual.global_.offheight = 512
    spec.visual.headlight.ambient = [0.45] * 3
    spec.visual.headlight.diffuse = [0.5] * 3
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[5, 5, 0.1], rgba=[0.7, 0.72, 0.75, 1])
    spec.worldbody.add_light(pos=[1, -2, 3], dir=[-0.3, 0.6, -1], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    body = spec.worldbody.add_body(name="object")
    body.add_freejoint()
    weighed = {solid.part for solid in model.solids if solid.collides}
    for number, solid in enumerate(model.solids):
        _add_geom(spec, body, model, solid, number, weighs=solid.collides or not weighed)
    return spec


def _add_geom(
    spec: mujoco.MjSpec, body: mujoco.MjsBody, model: ObjectModel, solid: Solid, number: int, *, weighs: bool
) -> None:
    look = model.looks[solid.look]
    geom = body.add_geom(type=_KINDS[solid.kind], pos=solid.pos, euler=None)
    geom.alt.type = mujoco.mjtOrientation.mjORIENTATION_EULER
    geom.alt.euler = np.degrees(solid.euler) if spec.compiler.degree else solid.euler
    geom.rgba = [*look.rgb, look.alpha if solid.visible else 0.0]
    geom.group = 0 if solid.visible else 4
    geom.contype = geom.conaffinity = int(solid.collides)
    if not weighs:
        geom.mass = 0.0
    if solid.kind == "mesh":
        mesh = spec.add_mesh(name=f"mesh_{number}", inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX)
        assert solid.vertices is not None and solid.faces is not None and solid.uv is not None
        mesh.uservert, mesh.userface = solid.vertices.ravel(), solid.faces.ravel()
        mesh.usertexcoord = solid.uv.ravel()
        geom.meshname = f"mesh_{number}"
    elif solid.kind in ("box", "ellipsoid"):
        geom.size = np.asarray(solid.size) / 2
    elif solid.kind == "sphere":
        geom.size = [solid.size[0], 0, 0]
    else:
        geom.size = [solid.size[0], solid.size[1] / 2, 0]


def picture(model: ObjectModel, side_px: int = 160) -> np.ndarray:
    """(side_px, side_px, 3) uint8 view of the object from the front, above and a little to the side."""
    compiled = plain_spec(model).compile()
    data = mujoco.MjData(compiled)
    mujoco.mj_forward(compiled, data)
    camera = mujoco.MjvCamera()
    camera.lookat[:] = [0, 0, model.size[2] / 2]
    camera.distance = 1.35 * float(np.linalg.norm(model.size)) + 0.02
    camera.azimuth, camera.elevation = 115, -28
    compiled.vis.map.znear = 0.02
    compiled.stat.extent = 1.0
    with mujoco.Renderer(compiled, side_px, side_px) as renderer:
        renderer.update_scene(data, camera)
        return renderer.render().copy()


def contact_sheet(builders: Iterable[tuple[str, Builder]], each: int, seed: int, side_px: int = 160) -> Image.Image:
    """One row cell per builder and draw, with class and style written into it."""
    cells = []
    for row, (name, builder) in enumerate(builders):
        for draw in range(each):
            model = builder(np.random.default_rng([seed, row, draw]))
            cell = Image.fromarray(picture(model, side_px))
            text = f"{name}\n{model.style}\n{' x '.join(f'{100 * edge:.0f}' for edge in model.size)} cm"
            ImageDraw.Draw(cell).multiline_text((3, 2), text, fill=(0, 0, 0), spacing=1)
            cells.append(cell)
    columns = min(len(cells), 10)
    sheet = Image.new("RGB", (columns * side_px, -(-len(cells) // columns) * side_px), (255, 255, 255))
    for number, cell in enumerate(cells):
        sheet.paste(cell, (number % columns * side_px, number // columns * side_px))
    return sheet


def main() -> None:
    """Writes the contact sheet."""
    from .catalogue import BUILDERS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path, help="PNG file to write")
    parser.add_argument("--only", nargs="*", default=[], help="class names or builder names; all if none is given")
    parser.add_argument("--each", type=int, default=1, help="pictures per builder")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    pairs = [(name, builder) for name, group in BUILDERS.items() for builder in dict.fromkeys(group)]
    if arguments.only:
        pairs = [(name, b) for name, b in pairs if name in arguments.only or b.__name__ in arguments.only]
    if not pairs:
        raise SystemExit(f"expected class or builder names, got {arguments.only}; known classes: {', '.join(BUILDERS)}")
    contact_sheet(pairs, arguments.each, arguments.seed).save(arguments.output)


if __name__ == "__main__":
    main()
