"""The data set on disk: COCO instance JSON with RLE masks, `images/*.png` and `depth/*.png` (16-bit millimetres).

    <path>/dataset.json               what made it: simulator, version, seed, options, class names where not the usual
    <path>/images/00000012.png        8-bit RGB
    <path>/depth/00000012.png         16-bit, millimetres, 0 = invalid
    <path>/shards/00000002.json       COCO JSON of one episode (one scene)

A shard is written last, by an atomic rename: an episode is in the data set exactly if its shard is there, and a killed
collector leaves nothing half-written that is ever read. `Dataset` merges the shards. Nothing else reads or writes them.
The classes are the data set's own: `class_names` in dataset.json and the `categories` of each shard name them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from saom_core.camera import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.files import write_atomically
from saom_core.taxonomy import CLASSES_AND_OTHER

from .data.annotations import annotate, decode_masks, encode_mask
from .data.categories import categories_of, class_names_of, indices_of
from .data.frames import SPLITS, Frame, Split

FORMAT_VERSION = 1
MAX_FRAMES_PER_EPISODE = 100
SubObjects = Literal["merged", "apart"]
_OF_IMAGE = ("id", "file_name", "depth_file_name", "height", "width", "scene", "split", "camera", "ignore")
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
            f"{ {k: stored.get(k) for k in differing} }: use the same options, or another folder"
        )
    return wanted


class DatasetWriter:
    """Adds episodes to a data set; several processes may write different episodes of one data set at once.

    Raises:
        InputError: If the folder holds a data set that was made otherwise.
    """

    def __init__(self, path: Path | str, info: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.info = checked_info(self.path, info)
        for folder in ("images", "depth", "shards"):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        if not (self.path / "dataset.json").exists():
            write_atomically(self.path / "dataset.json", json.dumps(self.info, indent=1).encode())

    def done(self) -> set[int]:
        """Numbers of the episodes that are complete."""
        return {int(path.stem) for path in (self.path / "shards").glob("[0-9]*.json")}

    def write_episode(self, index: int, frames: Sequence[Frame], skipped: Mapping[str, int] | None = None) -> None:
        """Store all frames of an episode; an empty one is remembered as done."""
        self.write_files(pack_episode(index, frames, self.info, skipped))

    def write_files(self, files: Mapping[str, bytes]) -> None:
        """Store a packed episode; the shard, which makes it count, comes last."""
        for name, content in files.items():
            write_atomically(self.path / name, content)


def pack_episode(
    index: int, frames: Sequence[Frame], info: Mapping[str, Any], skipped: Mapping[str, int] | None = None
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
        files[image["depth_file_name"]] = _png(np.clip(np.rint(frame.depth_m * 1000), 0, 65535).astype(np.uint16))
        found, found_parts, ignore = annotate(frame, image_id, names)
        images.append({**image, "ignore": encode_mask(ignore)})
        annotations += found
        parts += found_parts
    shard = {"info": info, "images": images, "annotations": annotations, "parts": parts}
    shard["categories"] = categories_of(names)
    if skipped:
        shard["skipped"] = dict(skipped)
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


def picture_names(image_id: int) -> dict[str, str]:
    """Paths of a picture's two files in a data set, by the keys they have in a shard."""
    return {"file_name": f"images/{image_id:010d}.png", "depth_file_name": f"depth/{image_id:010d}.png"}


def _png(picture: np.ndarray) -> bytes:
    _, packed = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return packed.tobytes()


def _image_entry(image_id: int, frame: Frame) -> dict[str, Any]:
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


@dataclass(frozen=True)
class Sample:
    """One picture of a data set with its N instances (and, if asked for, its parts after them).

    Attributes:
        image_rgb: (H, W, 3) uint8.
        depth_m: (H, W) float32, metres, 0 = invalid.
        masks: (N, H, W) bool.
        class_ids: (N,) int32, index into the data set's class names; -1 for parts without a class.
        class_names: N names; of a part its own name.
        part_of: (N,) int32, row of the whole that this is a part of, -1 for whole objects.
        visible: (N,) float32, share of the surface in sight; NaN for parts.
        ignore: (H, W) bool, pixels of objects too small or too hidden to be annotated.
    """

    image_rgb: np.ndarray
    depth_m: np.ndarray
    masks: np.ndarray
    class_ids: np.ndarray
    class_names: tuple[str, ...]
    part_of: np.ndarray
    visible: np.ndarray
    ignore: np.ndarray
    camera: CameraIntrinsics
    image_id: int
    scene: str


def evenly_spread(count: int, limit: int) -> list[int]:
    """At most `limit` of the indices below `count`, in order; first and last among them, if more than one is."""
    return np.linspace(0, count - 1, min(count, limit)).round().astype(int).tolist()


class Dataset:
    """Reads a data set: `Dataset.open(path, "train")`, `len(ds)`, `ds[i] -> Sample`.

    `class_names` are all classes of the data set, whatever the split; category ids in `annotations` are their indices.
    """

    def __init__(
        self,
        path: Path,
        info: dict[str, Any],
        images: list[dict[str, Any]],
        annotations: dict[int, list[dict[str, Any]]],
        sub_objects: SubObjects,
        class_names: tuple[str, ...],
        depth: bool = True,
    ) -> None:
        self.path, self.info, self.images = path, info, images
        self.annotations = annotations
        self.sub_objects, self.depth = sub_objects, depth
        self.class_names = class_names

    @classmethod
    def open(
        cls,
        path: Path | str,
        split: Split | None = None,
        *,
        sub_objects: SubObjects = "merged",
        parts: bool = False,
        depth: bool = True,
    ) -> Dataset:
        """Merge the shards of a data set.

        Shards with other categories, as after `saom dataset merge`, are joined by the names of the classes.

        Args:
            path: The folder.
            split: Only the pictures of scenes of this split; None for all.
            sub_objects: "merged": whole objects alone; "apart": drawers, basins and so on are instances too and are cut
                out of their wholes.
            parts: Append the parts (handle, lid, ...) after the instances, with class id -1.
            depth: False: not read, for a network that sees colour alone; all of it is invalid then.

        Raises:
            InputError: If there is no data set, its description or a shard is broken, or the split does not exist.
        """
        path = Path(path)
        shards = shard_paths(path)
        if split is not None and split not in SPLITS:
            raise InputError(f"expected a split of {SPLITS}, got {split!r}")
        images: list[dict[str, Any]] = []
        annotations: dict[int, list[dict[str, Any]]] = {}
        info = read_info(path / "dataset.json")
        names = list(class_names_of(info)) if "class_names" in info else []
        for shard_path in shards:
            shard = read_shard(shard_path)
            check_entries(shard, shard_path)
            index_of = indices_of(shard, names, shard_path)
            for image in shard["images"]:
                if split is None or image["split"] == split:
                    images.append(image)
                    annotations[image["id"]] = []
            for entry in shard["annotations"] + (shard["parts"] if parts else []):
                if entry["image_id"] in annotations:
                    if "category_id" in entry:
                        entry["category_id"] = index_of[entry["category_id"]]
                    annotations[entry["image_id"]].append(entry)
        return cls(path, info, images, annotations, sub_objects, tuple(names) or CLASSES_AND_OTHER, depth)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        image = self.images[index]
        size_hw = (image["height"], image["width"])
        entries = self._entries(image["id"])
        masks = decode_masks([entry["segmentation"] for entry in entries], size_hw)
        rows = {entry["id"]: row for row, entry in enumerate(entries)}
        part_of = np.array([rows.get(entry["part_of"], -1) for entry in entries], np.int32)
        if self.sub_objects == "apart":
            for row, entry in enumerate(entries):
                if part_of[row] >= 0 and "category_id" in entry:
                    masks[part_of[row]] &= ~masks[row]
        names = tuple(
            self.class_names[entry["category_id"]] if "category_id" in entry else entry["name"] for entry in entries
        )
        return Sample(
            image_rgb=self._picture(image["file_name"], cv2.IMREAD_COLOR, size_hw)[..., ::-1].copy(),
            depth_m=self._depth(image["depth_file_name"], size_hw),
            masks=masks,
            class_ids=np.array([entry.get("category_id", -1) for entry in entries], np.int32),
            class_names=names,
            part_of=part_of,
            visible=np.array([entry.get("visible", np.nan) for entry in entries], np.float32),
            ignore=decode_masks([image["ignore"]], size_hw)[0],
            camera=CameraIntrinsics(**image["camera"], width=size_hw[1], height=size_hw[0]),
            image_id=image["id"],
            scene=image["scene"],
        )

    def _entries(self, image_id: int) -> list[dict[str, Any]]:
        entries = self.annotations[image_id]
        if self.sub_objects == "merged":
            entries = [entry for entry in entries if entry["part_of"] is None or "category_id" not in entry]
        return sorted(entries, key=lambda entry: "category_id" not in entry)

    def _depth(self, name: str, size_hw: tuple[int, int]) -> np.ndarray:
        if not self.depth:
            return np.zeros(size_hw, np.float32)
        return self._picture(name, cv2.IMREAD_UNCHANGED, size_hw).astype(np.float32) / 1000

    def _picture(self, name: str, mode: int, size_hw: tuple[int, int]) -> np.ndarray:
        picture = cv2.imread(str(self.path / name), mode)
        if picture is None:
            raise InputError(
                f"expected a picture at {self.path / name}, got none or a broken one: run `saom dataset check`"
            )
        if picture.shape[:2] != size_hw:
            raise InputError(
                f"expected {size_hw[0]} rows and {size_hw[1]} columns in {self.path / name}, as its shard says, got "
                f"{picture.shape[0]} and {picture.shape[1]}: run `saom dataset check`"
            )
        return picture
