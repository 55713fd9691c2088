"""Kitchen ware: bowls, cups, mugs, plates, pans, pots, sponges, tea pots."""

from __future__ import annotations

import numpy as np

from ...geometry import shapes
from ...geometry.model import Builder, Look, ObjectModel
from ..kits.draft import Draft, any_colour, cardboard, ceramic, look, near, pick, span


def _vessel_collider(draft: Draft, foot: float, rim: float, height: float, wall: float) -> None:
    """A floor and a ring of eight boxes: things can lie in the vessel."""
    thickness = max(wall, 0.006)
    draft.collider("cylinder", (foot, thickness), (0.0, 0.0, thickness / 2))
    draft.ring_collider((foot, thickness / 2), (rim, height), thickness)


def bowl(rng: np.random.Generator) -> ObjectModel:
    """A round bowl of ceramic, wood, metal, plastic or glass; shallow or deep, with or without a foot."""
    material = pick(rng, "ceramic", "wood", "metal", "plastic", "ceramic", "glass")
    depth = pick(rng, "shallow", "deep")
    rim = span(rng, 0.095, 0.45)
    height = rim * float(rng.uniform(0.4, 0.65) if depth == "shallow" else rng.uniform(0.7, 1.1))
    foot, wall = rim * float(rng.uniform(0.4, 0.65)), float(rng.uniform(0.0025, 0.006))
    body = ceramic(rng) if material == "ceramic" else look(rng, material)  # type: ignore[arg-type]
    draft = Draft("Bowl", f"bowl_{material}_{depth}", body=body)
    bulge = float(rng.uniform(0.1, 0.75))
    middle = (foot + (rim - foot) * (0.5 + 0.45 * bulge), height * 0.42)
    side = shapes.smooth_profile([(foot, 0.0), middle, (rim, height)], 5)
    draft.mesh(shapes.hollow(side, wall, 24), "body")
    if rng.uniform() < 0.3:
        draft.looks["rim"] = look(rng, "plastic", "metal")
        ring = shapes.torus(rim - wall / 2, wall * 1.5, 24, 6)
        draft.mesh(ring, "rim", "rim", (0.0, 0.0, height))
    _vessel_collider(draft, foot, rim, height, wall)
    draft.surface((0.0, 0.0, 0.007), (foot * 1.4, foot * 1.4), height + 0.1, inside=True)
    return draft.finish(float(rng.uniform(0.15, 0.6)))


def cup_tumbler(rng: np.random.Generator) -> ObjectModel:
    """A drinking glass or beaker without handle, straight or tapered."""
    height, rim = span(rng, 0.115, 0.3), span(rng, 0.037)
    foot = rim * float(rng.uniform(0.65, 1.05))
    draft = Draft("Cup", "cup_tumbler", body=look(rng, "glass", "glass", "plastic", "metal", "print"))
    middle = ((foot + rim) / 2 + rim * float(rng.uniform(-0.05, 0.12)), height * 0.5)
    draft.mesh(shapes.hollow(shapes.smooth_profile([(foot, 0), middle, (rim, height)], 5), 0.003), "body")
    if rng.uniform() < 0.35:  # something to drink
        draft.looks["drink"] = look(rng, "plastic")
        level = height * float(rng.uniform(0.3, 0.85))
        draft.cylinder(min(foot, rim) * 0.85, level, (0, 0, 0.004 + level / 2), "drink", "content", collides=False)
    draft.collider("cylinder", (max(foot, rim), height), (0, 0, height / 2))
    return draft.finish(float(rng.uniform(0.1, 0.3)))


def cup_paper(rng: np.random.Generator) -> ObjectModel:
    """A paper cup with a print, with or without sleeve and lid."""
    height, rim = span(rng, 0.11), span(rng, 0.042)
    foot = rim * float(rng.uniform(0.65, 0.8))
    draft = Draft("Cup", "cup_paper", body=look(rng, "print", "plain"), lid=look(rng, "plastic"), sleeve=cardboard(rng))
    draft.mesh(shapes.hollow([(foot, 0), (rim, height)], 0.002), "body")
    draft.mesh(shapes.torus(rim, 0.004, 20, 6), "lid", "rim", (0, 0, height))
    if rng.uniform() < 0.5:
        top = [(rim * 1.04, 0), (rim * 1.04, 0.006), (rim * 0.93, 0.009), (rim * 0.9, 0.016), (rim * 0.8, 0.014)]
        draft.mesh(shapes.lathe(top), "lid", "lid", (0, 0, height - 0.003))
    if rng.uniform() < 0.4:
        low, high = 0.3, float(rng.uniform(0.55, 0.8))
        radii = [foot + (rim - foot) * share + 0.0015 for share in (low, high)]
        draft.mesh(shapes.lathe([(radii[0], low * height), (radii[1], high * height)]), "sleeve", "sleeve")
    draft.collider("cylinder", (rim, height), (0, 0, height / 2))
    return draft.finish(float(rng.uniform(0.02, 0.3)))


def cup_stemmed(rng: np.random.Generator) -> ObjectModel:
    """A wine glass or goblet on a stem."""
    height, rim = span(rng, 0.18, 0.3), span(rng, 0.036)
    draft = Draft("Cup", "cup_stemmed", body=look(rng, "glass", "glass", "metal"))
    bowl_z = height * float(rng.uniform(0.42, 0.55))
    foot, stem = rim * float(rng.uniform(0.8, 1.0)), 0.004
    outside = [(foot, 0), (foot, 0.003), (stem, 0.01), (stem, bowl_z), (rim * 0.75, bowl_z + 0.25 * (height - bowl_z))]
    outside += [(rim * 1.12, bowl_z + 0.55 * (height - bowl_z)), (rim, height)]
    inside = [(rim - 0.002, height), (rim * 1.08, bowl_z + 0.55 * (height - bowl_z)), (0, bowl_z + 0.01)]
    draft.mesh(shapes.lathe([*outside, *inside], 18), "body")
    draft.collider("cylinder", (foot, 0.006), (0, 0, 0.003))
    draft.collider("cylinder", (stem, bowl_z), (0, 0, bowl_z / 2))
    draft.collider("cylinder", (rim, height - bowl_z), (0, 0, (height + bowl_z) / 2))
    return draft.finish(float(rng.uniform(0.1, 0.25)))


def _ear(rng: np.random.Generator, attach: float, low: float, high: float) -> shapes.Mesh:
    """A handle in the xz plane, its ends `attach` from the axis."""
    height, reach = high - low, float(rng.uniform(0.022, 0.036))
    kind = pick(rng, "round", "square", "ear")
    if kind == "round":
        points = shapes.arc(1.0, -np.pi / 2, np.pi / 2, 9) * [reach, 1.0, height / 2]
        path = points + [attach, 0.0, (low + high) / 2]
    elif kind == "square":
        path = np.array(
            [[0, low], [0.8, low], [1, low + 0.15 * height], [1, high - 0.15 * height], [0.8, high], [0, high]]
        )
        path = np.column_stack([attach + reach * path[:, 0], np.zeros(6), path[:, 1]])
    else:
        bows = np.array([[0, 0], [0.6, 0.18], [0.95, 0.5], [1, 0.8], [0.75, 1.0], [0, 0.92]])
        path = np.column_stack([attach + reach * bows[:, 0], np.zeros(6), low + height * bows[:, 1]])
    across, along = float(rng.uniform(0.007, 0.014)), float(rng.uniform(0.005, 0.009))
    section = shapes.circle_section(1.0, 8) * [across / 2, along / 2]
    return shapes.tube(path, section)


def mug(rng: np.random.Generator) -> ObjectModel:
    """A mug with a handle: cylindrical, tapered or barrel-shaped; plain, painted or printed."""
    height, rim = span(rng, 0.095, 0.2), span(rng, 0.042, 0.2)
    form = pick(rng, "cylinder", "tapered", "barrel", "cylinder")
    foot = rim * float(rng.uniform(0.65, 0.85)) if form == "tapered" else rim * float(rng.uniform(0.9, 1.0))
    bulge = float(rng.uniform(0.08, 0.2)) if form == "barrel" else 0.0
    body = look(rng, "metal") if rng.uniform() < 0.1 else ceramic(rng)
    draft = Draft("Mug", f"mug_{form}", body=body, inside=ceramic(rng))
    middle = (foot + rim) / 2 * (1 + bulge)
    if form == "cylinder":
        side = [(foot * 0.92, 0.0), (foot, height * 0.05), (middle, height * 0.5), (rim, height)]
    else:
        side = shapes.smooth_profile([(foot, 0), (middle, height / 2), (rim, height)], 6)
    wall = float(rng.uniform(0.003, 0.0055))
    draft.mesh(shapes.hollow(side, wall), "body")
    if rng.uniform() < 0.4:  # coffee, tea, milk
        level = height * float(rng.uniform(0.5, 0.9))
        draft.looks["drink"] = Look("plastic", near(rng, (0.3, 0.17, 0.08), 0.1), (0.4, 0.25, 0.1))
        draft.cylinder(min(foot, rim) - wall * 0.8, 0.004, (0, 0, level), "drink", "content", collides=False)
    low, high = height * float(rng.uniform(0.12, 0.25)), height * float(rng.uniform(0.75, 0.9))
    attach = min(foot, middle, rim) - wall * 0.6
    if rng.uniform() < 0.15:
        draft.looks["handle"] = look(rng, "plastic")
    draft.mesh(_ear(rng, attach, low, high), "handle" if "handle" in draft.looks else "body", "handle")
    draft.collider("cylinder", (max(foot, middle, rim), height), (0, 0, height / 2))
    draft.collider("box", (0.028, 0.01, high - low), (max(foot, rim) + 0.012, 0, (low + high) / 2))
    return draft.finish(float(rng.uniform(0.2, 0.45)))


def mug_travel(rng: np.random.Generator) -> ObjectModel:
    """A mug without handle: a travel mug with a grip band and a lid."""
    height, rim = span(rng, 0.17), span(rng, 0.04, 0.15)
    foot = rim * float(rng.uniform(0.75, 0.9))
    draft = Draft(
        "Mug",
        "mug_no_handle",
        body=look(rng, "metal", "plastic", "print"),
        lid=look(rng, "plastic"),
        band=look(rng, "plain"),
    )
    draft.mesh(shapes.lathe([(foot, 0), (foot, 0.01), (rim, height * 0.85), (rim, height * 0.93)]), "body")
    cap = [(rim * 1.03, 0), (rim * 1.03, height * 0.05), (rim * 0.85, height * 0.07), (rim * 0.75, height * 0.055)]
    draft.mesh(shapes.lathe(cap), "lid", "lid", (0, 0, height * 0.92))
    low, high = height * 0.35, height * float(rng.uniform(0.55, 0.7))
    radii = [foot + (rim - foot) * (z - 0.01) / (height * 0.85 - 0.01) + 0.002 for z in (low, high)]
    draft.mesh(shapes.lathe([(radii[0], low), (radii[1], high)]), "band", "grip")
    draft.collider("cylinder", (rim, height * 0.97), (0, 0, height * 0.485))
    return draft.finish(float(rng.uniform(0.25, 0.5)))


def plate(rng: np.random.Generator) -> ObjectModel:
    """A plate: round or square with rounded corners, flat or deep, with a rim."""
    form = pick(rng, "round", "round", "square", "oval")
    radius, height = span(rng, 0.12, 0.35), float(rng.uniform(0.015, 0.035))
    draft = Draft("Plate", f"plate_{form}", body=look(rng, "wood", "paper") if rng.uniform() < 0.08 else ceramic(rng))
    share = float(rng.uniform(0.55, 0.75))
    profile = [(radius * share * 0.9, 0), (radius * share, height * 0.35), (radius, height)]
    profile += [(radius * 0.985, height), (radius * share * 0.97, height * 0.35 + 0.003), (radius * share * 0.8, 0.005)]
    mesh = shapes.lathe([*profile, (0, 0.005)], 28)
    if form == "square":
        mesh = shapes.loft([shapes.ring(r, r, z, 5.0, 24) for r, z in profile])
    elif form == "oval":
        mesh = mesh.scaled(1.0, float(rng.uniform(0.6, 0.8)), 1.0)
    draft.mesh(mesh, "body")
    stretch = float(np.ptp(mesh.vertices[:, 1]) / np.ptp(mesh.vertices[:, 0]))
    foot = radius * share * 0.9
    draft.collider("box", (2 * foot, 2 * foot * stretch, 0.006), (0, 0, 0.003))
    brim, edge = radius * (1 - share) * 0.9, height * 0.55
    for side in (-1, 1):
        draft.collider(
            "box", (brim, radius * stretch, 0.005), (side * (radius - brim / 2), 0, edge), (0, -side * 0.15, 0)
        )
        pos = (0.0, side * (radius - brim / 2) * stretch, edge)
        draft.collider("box", (radius, brim * stretch, 0.005), pos, (side * 0.15, 0, 0))
    draft.surface((0, 0, 0.006), (foot * 1.3, foot * 1.3 * stretch), inside=True)
    return draft.finish(float(rng.uniform(0.2, 0.7)))


def _stick(draft: Draft, rng: np.random.Generator, start: float, height: float, length: float) -> None:
    """A pan's long handle along -y that rises a little."""
    rise, width = length * float(rng.uniform(0.0, 0.3)), float(rng.uniform(0.016, 0.028))
    path = [(0, -start, height), (0, -start - length * 0.3, height + rise * 0.6), (0, -start - length, height + rise)]
    section = shapes.circle_section(1.0, 8) * [width / 2, width * 0.32]
    draft.mesh(shapes.tube(np.array(path, float), section, [0.7, 1.0, 0.95]), "handle", "handle")
    tilt = float(np.arctan2(rise, length))
    pos = (0.0, -start - length / 2, height + rise * 0.6)
    draft.collider("box", (width, length, width * 0.6), pos, (-tilt, 0, 0))


def pan(rng: np.random.Generator) -> ObjectModel:
    """A frying pan, sauté pan or saucepan with one long handle."""
    style = pick(rng, "skillet", "saucepan", "skillet")
    rim = span(rng, 0.125, 0.25) if style == "skillet" else span(rng, 0.085, 0.2)
    height = float(rng.uniform(0.035, 0.06)) if style == "skillet" else float(rng.uniform(0.07, 0.11))
    foot = rim * float(rng.uniform(0.75, 0.9) if style == "skillet" else rng.uniform(0.92, 1.0))
    dark = Look("metal", near(rng, (0.1, 0.1, 0.11), 0.04), (0.2, 0.2, 0.2))
    body = dark if rng.uniform() < 0.5 else look(rng, "metal", "plastic")
    draft = Draft("Pan", f"pan_{style}", body=body, handle=look(rng, "plastic", "wood", "metal"))
    draft.mesh(shapes.hollow([(foot, 0), (rim, height)], 0.003, 26), "body")
    _stick(draft, rng, rim * 0.98, height * float(rng.uniform(0.6, 0.85)), span(rng, 0.17))
    if rng.uniform() < 0.3:
        food = look(rng, "marble", "plain")
        draft.looks["food"] = food
        draft.mesh(shapes.lump(rng, (foot, foot * 0.8, 0.02)), "food", "content", (0, 0, 0.003))
    _vessel_collider(draft, foot, rim, height, 0.004)
    draft.surface((0, 0, 0.007), (foot * 1.3, foot * 1.3), 0.2, inside=True)
    return draft.finish(float(rng.uniform(0.5, 1.5)))


def pot(rng: np.random.Generator) -> ObjectModel:
    """A cooking pot with two ears, with a knobbed lid or open."""
    lid = bool(rng.uniform() < 0.5)
    rim, height = span(rng, 0.115), float(rng.uniform(0.09, 0.19))
    draft = Draft(
        "Pot",
        "pot_with_lid" if lid else "pot_open",
        body=look(rng, "metal", "metal", "plastic"),
        handle=look(rng, "metal", "plastic"),
    )
    draft.mesh(shapes.hollow([(rim * 0.95, 0), (rim, height * 0.1), (rim, height)], 0.003, 24), "body")
    for side in (-1, 1):
        ear = shapes.arc(1.0, -np.pi / 2, np.pi / 2, 7, "xy") * [0.035, rim * 0.35, 1] + [rim * 0.95, 0, height * 0.8]
        mesh = shapes.tube(ear, shapes.circle_section(float(rng.uniform(0.004, 0.007)), 6))
        draft.mesh(mesh if side > 0 else mesh.moved(euler=(0, 0, np.pi)), "handle", "handle")
        draft.collider("box", (0.03, rim * 0.7, 0.01), (side * (rim + 0.01), 0, height * 0.8))
    if lid:
        draft.looks["lid"] = look(rng, "glass", "metal") if rng.uniform() < 0.5 else draft.looks["body"]
        top = float(rng.uniform(0.012, 0.035))
        curve = [(rim * 1.02, 0), (rim * 1.02, 0.004), (rim * 0.7, 0.004 + top * 0.6), (0, 0.004 + top)]
        draft.mesh(shapes.lathe(curve, 24), "lid", "lid", (0, 0, height))
        knob = [(0.008, 0), (0.008, 0.012), (0.018, 0.016), (0.016, 0.026)]
        draft.mesh(shapes.lathe(knob, 12), "handle", "knob", (0, 0, height + top))
        draft.collider("cylinder", (rim, height + top * 0.5), (0, 0, (height + top * 0.5) / 2))
    else:
        draft.collider("cylinder", (rim * 0.95, 0.006), (0, 0, 0.003))
        draft.ring_collider((rim, 0), (rim, height), 0.006, 6)
        draft.surface((0, 0, 0.007), (rim * 1.2, rim * 1.2), height + 0.1, inside=True)
    return draft.finish(float(rng.uniform(0.8, 2.5)))


def sponge(rng: np.random.Generator) -> ObjectModel:
    """A dish sponge: a soft block with a scouring layer, or a waisted one."""
    style = pick(rng, "block", "waisted")
    length, width, height = span(rng, 0.105), span(rng, 0.068, 0.2), span(rng, 0.032)
    foam = Look(
        "fabric", any_colour(rng) if rng.uniform() < 0.5 else near(rng, (0.93, 0.78, 0.2), 0.08), (0.8, 0.7, 0.2)
    )
    scour = Look(
        "fabric", near(rng, (0.12, 0.4, 0.2), 0.1) if rng.uniform() < 0.6 else any_colour(rng), (0.1, 0.2, 0.1)
    )
    draft = Draft("DishSponge", f"sponge_{style}", foam=foam, scour=scour)
    layer = height * float(rng.uniform(0.15, 0.3))
    if style == "block":
        block = shapes.rounded_box((length, width, height - layer), 0.006, 1)
        draft.mesh(block, "foam", "body", (0, 0, (height - layer) / 2))
        draft.box((length * 0.98, width * 0.98, layer), (0, 0, height - layer / 2), "scour", "scourer", collides=False)
    else:
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        waist = 1 - 0.25 * np.exp(-((np.cos(angles) / 0.35) ** 2))
        outline = np.column_stack([length / 2 * np.cos(angles), width / 2 * np.sin(angles) * waist])
        draft.mesh(shapes.prism(outline, height - layer), "foam")
        draft.mesh(shapes.prism(outline * 0.98, layer), "scour", "scourer", (0, 0, height - layer))
    draft.collider("box", (length * 0.97, width * 0.95, height), (0, 0, height / 2))
    return draft.finish(0.03)


BUILDERS: dict[str, list[Builder]] = {
    "Bowl": [bowl],
    "Cup": [cup_tumbler, cup_paper, cup_stemmed],
    "Mug": [mug, mug, mug, mug_travel],
    "Plate": [plate],
    "Pan": [pan],
    "Pot": [pot],
    "DishSponge": [sponge],
}
