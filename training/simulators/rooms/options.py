"""What `rooms` can be given besides size and seed: the user's own meshes, and pictures to put on surfaces.

The command line imports this for every `saom collect`, so nothing here needs the simulator.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saom_core.errors import ConfigError, InputError

MESH_SUFFIXES = (".obj", ".glb", ".gltf", ".stl", ".ply", ".sh3f")
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
ROOM_SHARE = 0.35  # of the scenes that are a furnished room; the others are a cluttered table
DEFAULT_SAMPLES = 8  # of Cycles, paths per pixel
CYCLES_VERSION = "1"  # goes up when the same seed gives other pictures
_PACKAGED = Path("of robosuite")  # in the place of a folder of pictures: those that the package ships
UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `saom collect --simulator rooms`."""
    group = parser.add_argument_group("rooms")
    group.add_argument(
        "--assets",
        type=Path,
        help=f"folder of meshes ({', '.join(MESH_SUFFIXES)}), one folder a class, that lie in the scenes with the rest",
    )
    group.add_argument(
        "--asset-share", type=float, default=0.5, help="share of the small things that come from --assets"
    )
    group.add_argument(
        "--asset-unit", choices=tuple(UNITS_M), default="m", help="unit of the meshes of --assets (.glb: always m)"
    )
    group.add_argument(
        "--asset-up", choices=("y", "z"), default="z", help="axis that points up in --assets (.glb: always y)"
    )
    group.add_argument(
        "--textures",
        type=Path,
        nargs="?",
        const=_PACKAGED,
        metavar="FOLDER",
        help="folder of pictures to print on packages and lay on surfaces; without one, robosuite's 30 photographs",
    )
    group.add_argument(
        "--room-share",
        type=float,
        default=ROOM_SHARE,
        help=f"share of the scenes that are a furnished room, the others a cluttered table ({ROOM_SHARE})",
    )
    group.add_argument(
        "--hard-share",
        type=float,
        default=0.0,
        help="share of the tables with patterned tops, or floors of the top's colour, and many thin things; half of "
        "all pictures then come through a Bayer pattern (0)",
    )
    group.add_argument(
        "--things-twice",
        action="store_true",
        help="scenes in pairs that hold the same small things, in another room before another camera; one camera a "
        "scene (for saom bench-teach)",
    )
    group.add_argument(
        "--renderer",
        choices=("opengl", "cycles"),
        default="opengl",
        help="what makes the colour: OpenGL, or Blender's path tracer (needs bpy; seconds a frame, the same masks)",
    )
    group.add_argument(
        "--cycles-samples", type=int, default=DEFAULT_SAMPLES, help="paths per pixel of --renderer cycles"
    )


def parsed_options(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """`CollectOptions.extra` and `.machine` from parsed arguments, checked.

    The data set remembers what the folders hold, not where they lie.

    Raises:
        SaomError: If a folder holds nothing of use, or an option is given to another simulator.
    """
    cycles = args.renderer == "cycles"
    other_rooms = args.room_share != ROOM_SHARE
    hard = args.hard_share != 0
    asked = args.assets is not None or args.textures is not None or cycles or other_rooms or hard or args.things_twice
    if not asked:
        return {}, {}
    if args.simulator != "rooms":
        raise ConfigError(
            "expected --assets, --textures, --room-share, --hard-share, --things-twice and --renderer with --simulator "
            f"rooms, got them with {args.simulator}"
        )
    extra: dict[str, Any] = {}
    machine: dict[str, Any] = {}
    if args.assets is not None:
        if not 0 < args.asset_share <= 1:
            raise ConfigError(f"expected an --asset-share above 0 and at most 1, got {args.asset_share}")
        extra["assets"] = {
            "files": fingerprint(args.assets, MESH_SUFFIXES),
            "share": args.asset_share,
            "unit": args.asset_unit,
            "up": args.asset_up,
        }
        machine["assets"] = str(args.assets.resolve())
    if args.textures is not None:
        packaged = args.textures is _PACKAGED  # not a folder of that name
        folder = of_robosuite("textures", "folder of photographed materials") if packaged else args.textures
        extra["textures"] = fingerprint(folder, PICTURE_SUFFIXES)
        machine["textures"] = str(folder.resolve())
    if other_rooms:
        if not 0 <= args.room_share <= 1:
            raise ConfigError(f"expected a --room-share from 0 to 1, got {args.room_share}")
        extra["room_share"] = args.room_share
    if hard:
        if not 0 <= args.hard_share <= 1:
            raise ConfigError(f"expected a --hard-share from 0 to 1, got {args.hard_share}")
        extra["hard_share"] = args.hard_share
    if args.things_twice:
        if cycles:
            raise ConfigError(
                "expected --things-twice with --renderer opengl, got cycles, which polishes a thing anew in each room"
            )
        extra["things_twice"] = True
    if cycles:
        extra["renderer"] = cycles_renderer(args.cycles_samples)
    return extra, machine


def of_robosuite(part: str, use: str) -> Path:
    """A file or folder among the assets of an installed robosuite (MIT), which is found without being imported.

    Args:
        part: below `models/assets` in the package.
        use: what it is needed for, for the message.

    Raises:
        ConfigError: robosuite is not installed.
    """
    spec = importlib.util.find_spec("robosuite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(folder) / "models" / "assets" / part
        if found.exists():
            return found
    raise ConfigError(
        f"expected the package robosuite, whose {use} is used, got none: run "
        "`pip install --no-deps robosuite==1.5.2` (157 MB; its dependencies are not needed)"
    )


def summary(extra: Mapping[str, Any]) -> str:
    """A line for a dry run."""
    used = [name for name in ("assets", "textures") if name in extra]
    surfaces = f"with your own {' and '.join(used)}" if used else "with the built-in objects and surfaces"
    shares = f"{extra.get('room_share', ROOM_SHARE):.0%} of the scenes are rooms"
    hard = [f"{extra['hard_share']:.0%} of the tables are hard"] if "hard_share" in extra else []
    further = {"things_twice": "the same things in two scenes each", "renderer": "colour by Cycles"}
    return ", ".join([surfaces, shares, *hard, *(text for name, text in further.items() if name in extra)])


def cycles_renderer(samples: int) -> dict[str, Any]:
    """What a data set remembers of `--renderer cycles` as it is installed here.

    Raises:
        SaomError: If Blender's module is missing, or the number of samples makes no sense.
    """
    if not 1 <= samples <= 4096:
        raise ConfigError(f"expected 1 to 4096 --cycles-samples, got {samples}")
    try:
        blender = importlib.metadata.version("bpy")
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            "expected Blender's module bpy for --renderer cycles, got none: run pip install --no-deps 'bpy==4.5.*' "
            "with Python 3.11, or leave --renderer out"
        ) from None
    return {"name": "cycles", "version": CYCLES_VERSION, "samples": samples, "blender": blender}


def files_of(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """All files below a folder with one of these endings, sorted.

    Raises:
        InputError: If there are none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    if not found:
        raise InputError(f"expected {', '.join(suffixes)} files below {folder}, got none: name another folder")
    return found


def fingerprint(folder: Path, suffixes: tuple[str, ...]) -> str:
    """Changes when a file comes, goes, or has other contents."""
    digest = hashlib.sha256()
    for path in files_of(folder, suffixes):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
