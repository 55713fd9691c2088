"""The files of a data set: how an episode becomes a shard and its pictures, and how a shard is read.

<path>/dataset.json               what made it: simulator, version, seed, options, class names where not the usual
<path>/images/00000012.png        8-bit RGB
<path>/depth/00000012.png         16-bit, millimetres, 0 = invalid
<path>/shards/00000002.json       COCO JSON of one episode (one scene)
<path>/index.sqlite               made of the shards, may be deleted (see `index`)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saom_core.errors import InputError
from saom_core.places.depth_checks import depth_problem, measured_in

from .annotations import annotate, encode_mask
from .categories import categories_of, class_names_of, names_by_id
from .frames import Frame, MaskedFrame

FORMAT_VERSION = 1
MAX_FRAMES_PER_EPISODE = 100
MOST_MM = 65535
NEAREST_M, FARTHEST_M = 0.01, MOST_MM / 1000
"""Where the middle distance of a picture lies unless its unit is wrong: millimetres taken for metres, say."""
_OF_IMAGE = ("id", "file_name", "depth_file_name", "height", "width", "scene", "split", "camera", "ignore")
_WHOLE_NUMBERS = ("id", "image_id", "category_id", "height", "width")
_LARGEST = 2**63 - 1  # what the index, as most programs, can hold
_OF_ANNOTATION = ("id", "image_id", "part_of", "segmentation")


def checked_info(path: Path, info: Mapping[str, Any]) -> dict[str, Any]:
    """What `dataset.json` holds of a data set that is made as `info` says; nothing is written.

    Raises:
        InputError: If the folder holds a data set that was made otherwise.
    """
    wanted = {"format": FORMAT_VERSION, **json.loads(json.dumps(info))}
    try:
        stored = json.loads((path / "dataset.json").read_text())
    except FileNotFoundError:
        return wanted
    except (OSError, ValueError) as error:
        raise InputError(f"expected JSON in {path / 'dataset.json'}, got {error}: use another folder") from None
    if stored != wanted:
        differing = sorted(k for k in {*stored, *wanted} if stored.get(k) != wanted.get(k))
        raise InputError(
            f"expected in {path} a data set of { {k: wanted.get(k) for k in differing} }, got one of "
            f"{ {k: stored.get(k) for k in differing} }: use the same options and files, or another folder"
        )
    return wanted


def pack_episode(
    index: int, frames: Sequence[Frame | MaskedFrame], info: Mapping[str, Any], skipped: Mapping[str, int] | None = None
) -> dict[str, bytes]:
    """The files of an episode, path in the data set -> content, the shard last.

    Args:
        index: Number of the episode.
        frames: Its frames, `MAX_FRAMES_PER_EPISODE` at most.
        info: Of the writer; its `class_names` are the classes, else the taxonomy's are.
        skipped: Views that gave no frame, by reason; stored in the shard.
    """
    if len(frames) > MAX_FRAMES_PER_EPISODE:
        raise InputError(
            f"expected at most {MAX_FRAMES_PER_EPISODE} frames in an episode, got {len(frames)}: make more episodes"
        )
    files: dict[str, bytes] = {}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    names = class_names_of(info)
    for number, frame in enumerate(frames):
        image_id = index * MAX_FRAMES_PER_EPISODE + number
        image = _image_entry(image_id, frame)
        files[image["file_name"]] = _png(frame.image_rgb[..., ::-1])
        files[image["depth_file_name"]] = _png(_millimetres(frame))
        found, found_parts, ignore = annotate(frame, image_id, names)
        images.append({**image, "ignore": encode_mask(ignore)})
        annotations += found
        parts += found_parts
    shard = {"info": info, "images": images, "annotations": annotations, "parts": parts}
    shard["categories"] = categories_of(names)
    if skipped:
        # sorted, so that a set that was killed and resumed has exactly the same file
        shard["skipped"] = dict(sorted(skipped.items()))
    files[shard_name(index)] = json.dumps(shard, separators=(",", ":")).encode()
    return files


def shard_name(index: int) -> str:
    """Path of an episode's shard in a data set."""
    return f"shards/{index:08d}.json"


def shard_paths(path: Path) -> list[Path]:
    """The shards of a data set, in order.

    Raises:
        InputError: If there is no data set.
    """
    if not (path / "dataset.json").is_file():
        raise InputError(
            f"expected a data set with dataset.json in {path}, found none: collect one with `saom collect`"
        )
    return sorted((path / "shards").glob("[0-9]*.json"))


def read_shard(path: Path) -> dict[str, Any]:
    """The COCO JSON of one episode.

    Raises:
        InputError: If the file is broken.
    """
    try:
        shard = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        shard, fault = None, str(error)
    else:
        fault = "no lists of images, annotations and parts"
    if not isinstance(shard, dict) or not all(
        isinstance(shard.get(key), list) for key in ("images", "annotations", "parts")
    ):
        raise InputError(
            f"expected COCO JSON in {path}, got {fault}: delete the file and give the command that made it again"
        )
    return shard


def read_info(path: Path) -> dict[str, Any]:
    """What `dataset.json` says; InputError unless it is a JSON object."""
    try:
        info, fault = json.loads(path.read_bytes()), "something else"
    except (OSError, ValueError) as error:
        info, fault = None, str(error)
    if not isinstance(info, dict):
        raise InputError(
            f"expected a JSON object in {path}, got {fault}: write it again from `info` of one of its shards, and run "
            "`saom dataset check`"
        )
    return info


def check_entries(shard: Mapping[str, Any], path: Path) -> None:
    """Raises InputError unless all that is read of pictures and annotations is there."""
    for kind, wanted in (("images", _OF_IMAGE), ("annotations", _OF_ANNOTATION), ("parts", (*_OF_ANNOTATION, "name"))):
        for place, entry in enumerate(shard[kind]):
            missing = [key for key in wanted if not isinstance(entry, dict) or key not in entry]
            if missing:
                raise InputError(
                    f"expected {', '.join(wanted)} of each of the {kind} in {path}, but number {place} has no "
                    f"{', '.join(missing)}: add it, or make the data set again; `saom dataset check` finds what else "
                    "is wrong"
                )
            broken = [
                key
                for key in _WHOLE_NUMBERS
                if key in entry and (type(entry[key]) is not int or abs(entry[key]) > _LARGEST)
            ]
            if broken:
                raise InputError(
                    f"expected whole numbers as {', '.join(broken)} of number {place} of the {kind} in {path}, of "
                    f"64 bits at most, got {', '.join(repr(entry[key]) for key in broken)}: make the data set again"
                )


def picture_names(image_id: int) -> dict[str, str]:
    """Paths of a picture's two files in a data set, by the keys they have in a shard."""
    return {"file_name": f"images/{image_id:010d}.png", "depth_file_name": f"depth/{image_id:010d}.png"}


def unusable_depth(depth_m: npt.NDArray[np.floating]) -> str:
    """What depth that cannot be right as a whole is, in a few words; empty if it can be stored, or there is none."""
    problem = depth_problem(depth_m, NEAREST_M, FARTHEST_M, 1.0)
    if problem is None or problem.kind == "nothing measured" or (problem.usable and problem.kind != "too near"):
        return ""
    measured = measured_in(depth_m)
    return f"a median of {np.median(measured):.3g} m" if measured.size else "negative ones"


def _millimetres(frame: Frame | MaskedFrame) -> npt.NDArray[np.uint16]:
    """(H, W) depth as it is stored: 0 where nothing is measured, or what is cannot be stored."""
    fault = unusable_depth(frame.depth_m)
    if fault:
        raise InputError(
            f"expected distances of {NEAREST_M:g} to {FARTHEST_M:g} m as depth of a picture of {frame.scene}, got "
            f"{fault}: give metres along the camera's axis, and 0 where nothing is measured"
        )
    with np.errstate(invalid="ignore"):
        found = np.rint(frame.depth_m * 1000.0)
    return np.where((found > 0) & (found <= MOST_MM), found, 0).astype(np.uint16)


def _png(picture: np.ndarray) -> bytes:
    _, packed = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return packed.tobytes()


def _image_entry(image_id: int, frame: Frame | MaskedFrame) -> dict[str, Any]:
    camera = frame.camera
    return {
        "id": image_id,
        **picture_names(image_id),
        "height": camera.height,
        "width": camera.width,
        "scene": frame.scene,
        "split": frame.split,
        "camera": {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy},
        "pose": [round(float(value), 6) for value in frame.pose.ravel()],
    }


def checked_shard(path: Path) -> tuple[dict[str, Any], dict[int, str]]:
    """The COCO JSON of one episode and its class names by category id, complete.

    Raises:
        InputError: The file is broken, lacks something, or has annotations of a category that it does not name.
    """
    shard = read_shard(path)
    check_entries(shard, path)
    try:
        names = names_by_id(shard)
        unknown = {entry["category_id"] for entry in shard["annotations"]} - set(names)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"expected COCO categories and annotations with their ids in {path}, got {error!r}") from None
    if unknown:
        raise InputError(
            f"expected annotations of the categories {sorted(names)} in {path}, got {sorted(unknown)}: add them to its "
            "categories"
        )
    return shard, names
