"""The data set on disk: COCO instance JSON with RLE masks, `images/*.png` and `depth/*.png` (16-bit millimetres).

    <path>/dataset.json               what made it: simulator, version, seed, options
    <path>/images/00000012.png        8-bit RGB
    <path>/depth/00000012.png         16-bit, millimetres, 0 = invalid
    <path>/shards/00000002.json       COCO JSON of one episode (one scene)

A shard is written last, by an atomic rename: an episode is in the data set exactly if its shard is there, and a killed
collector leaves nothing half-written that is ever read. `Dataset` merges the shards. Nothing else reads or writes them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from saom_core.depth import CameraIntrinsics
from saom_core.errors import InputError
from saom_core.taxonomy import CLASSES_AND_OTHER
from training.simulator import SPLITS, Frame, Split

FORMAT_VERSION = 1
MIN_AREA_SHARE = 40 / (400 * 300)  # of the picture: smaller instances are not annotated, their pixels are `ignore`
MIN_VISIBLE = 0.1
MAX_FRAMES_PER_EPISODE = 100
CATEGORIES = [{"id": index, "name": name} for index, name in enumerate(CLASSES_AND_OTHER)]
SubObjects = Literal["merged", "apart"]


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, whenever the process dies."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.write_bytes(content)
    os.replace(draft, path)


def encode_mask(mask: np.ndarray) -> dict[str, Any]:
    """COCO's compressed RLE of an (H, W) bool mask, with text counts."""
    rle = coco_mask.encode(np.asfortranarray(mask).view(np.uint8))
    return {"size": [int(edge) for edge in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode_masks(rles: Sequence[Mapping[str, Any]], size_hw: tuple[int, int]) -> np.ndarray:
    """(N, H, W) bool of N RLEs."""
    if not rles:
        return np.zeros((0, *size_hw), bool)
    packed = [{"size": rle["size"], "counts": rle["counts"].encode("ascii")} for rle in rles]
    return np.ascontiguousarray(coco_mask.decode(packed).transpose(2, 0, 1)).astype(bool)


class DatasetWriter:
    """Adds episodes to a data set; several processes may write different episodes of one data set at once.

    Raises:
        InputError: If the folder holds a data set that was made otherwise.
    """

    def __init__(self, path: Path | str, info: Mapping[str, Any]) -> None:
        self.path = Path(path)
        for folder in ("images", "depth", "shards"):
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        wanted = {"format": FORMAT_VERSION, **json.loads(json.dumps(info))}
        stored_at = self.path / "dataset.json"
        if stored_at.exists():
            stored = json.loads(stored_at.read_text())
            if stored != wanted:
                differing = sorted(k for k in {*stored, *wanted} if stored.get(k) != wanted.get(k))
                raise InputError(
                    f"expected in {self.path} a data set of { {k: wanted.get(k) for k in differing} }, got one of "
                    f"{ {k: stored.get(k) for k in differing} }: use the same options, or another folder"
                )
        else:
            write_atomically(stored_at, json.dumps(wanted, indent=1).encode())
        self._info = wanted

    def done(self) -> set[int]:
        """Numbers of the episodes that are complete."""
        return {int(path.stem) for path in (self.path / "shards").glob("*.json") if not path.name.startswith(".")}

    def write_episode(self, index: int, frames: Sequence[Frame]) -> None:
        """Store all frames of an episode; an empty one is remembered as done."""
        if len(frames) > MAX_FRAMES_PER_EPISODE:
            raise InputError(
                f"expected at most {MAX_FRAMES_PER_EPISODE} frames in an episode, got {len(frames)}: make more episodes"
            )
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        parts: list[dict[str, Any]] = []
        for number, frame in enumerate(frames):
            image_id = index * MAX_FRAMES_PER_EPISODE + number
            images.append(self._write_pictures(image_id, frame))
            found, found_parts, ignore = annotate(frame, image_id)
            annotations += found
            parts += found_parts
            images[-1]["ignore"] = encode_mask(ignore)
        shard = {
            "info": self._info,
            "images": images,
            "annotations": annotations,
            "parts": parts,
            "categories": CATEGORIES,
        }
        write_atomically(self.path / "shards" / f"{index:08d}.json", json.dumps(shard, separators=(",", ":")).encode())

    def _write_pictures(self, image_id: int, frame: Frame) -> dict[str, Any]:
        name = f"{image_id:010d}.png"
        depth_mm = np.clip(np.rint(frame.depth_m * 1000), 0, 65535).astype(np.uint16)
        for folder, picture in (("images", frame.image_rgb[..., ::-1]), ("depth", depth_mm)):
            _, packed = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            write_atomically(self.path / folder / name, packed.tobytes())
        camera = frame.camera
        return {
            "id": image_id,
            "file_name": f"images/{name}",
            "depth_file_name": f"depth/{name}",
            "height": camera.height,
            "width": camera.width,
            "scene": frame.scene,
            "split": frame.split,
            "camera": {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy},
            "pose": [round(float(value), 6) for value in frame.pose.ravel()],
        }


def annotate(frame: Frame, image_id: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], np.ndarray]:
    """COCO annotations of a frame.

    Whole objects have `part_of` null; sub-objects with a class of their own (Drawer, SinkBasin) follow with `part_of` =
    the whole's id, their pixels being the whole's too. Other parts (handle, lid) are listed apart, with a name and no
    category. Objects smaller than `MIN_AREA_SHARE` or seen by less than `MIN_VISIBLE` are left out.

    Returns:
        Annotations, parts, and the (H, W) bool pixels of objects that are left out.
    """
    ids = iter(range(image_id * 10000, (image_id + 1) * 10000))
    annotations: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    # columns first, as RLE wants them: the masks below then need no copy
    object_ids, part_ids = np.asfortranarray(frame.object_ids), np.asfortranarray(frame.part_ids)
    ignore = np.zeros(object_ids.shape, bool, order="F")
    min_area = MIN_AREA_SHARE * ignore.size
    for index in np.unique(object_ids[object_ids >= 0]).tolist():
        item = frame.objects[index]
        mask = object_ids == index
        if mask.sum() < min_area or item.visible < MIN_VISIBLE:
            ignore |= mask
            continue
        common = {"image_id": image_id, "style": item.style, "iscrowd": 0}
        whole = {"id": next(ids), **common, "category_id": CLASSES_AND_OTHER.index(item.class_name), "part_of": None}
        annotations.append({**whole, "visible": round(float(item.visible), 3), **_shape(mask)})
        seen = np.unique(part_ids[mask]).tolist()
        for part in seen:
            name = item.parts[part]
            part_mask = mask & (part_ids == part)
            if part_mask.sum() < min_area or (len(seen) == 1 and name not in item.sub_objects):
                continue
            entry = {"id": next(ids), **common, "name": name, "part_of": whole["id"]}
            if name in item.sub_objects:
                category = CLASSES_AND_OTHER.index(item.sub_objects[name])
                annotations.append({**entry, "category_id": category, **_shape(part_mask)})
            else:
                parts.append({**entry, **_shape(part_mask)})
    return annotations, parts, ignore


def _shape(mask: np.ndarray) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y = int(columns[0]), int(rows[0])
    box = [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1]
    return {"segmentation": encode_mask(mask), "bbox": box, "area": int(mask.sum())}


@dataclass(frozen=True)
class Sample:
    """One picture of a data set with its N instances (and, if asked for, its parts after them).

    Attributes:
        image_rgb: (H, W, 3) uint8.
        depth_m: (H, W) float32, metres, 0 = invalid.
        masks: (N, H, W) bool.
        class_ids: (N,) int32, index into `CLASSES_AND_OTHER`; -1 for parts without a class.
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


class Dataset:
    """Reads a data set: `Dataset.open(path, "train")`, `len(ds)`, `ds[i] -> Sample`."""

    def __init__(
        self,
        path: Path,
        info: dict[str, Any],
        images: list[dict[str, Any]],
        annotations: dict[int, list[dict[str, Any]]],
        sub_objects: SubObjects,
    ) -> None:
        self.path, self.info, self.images = path, info, images
        self.annotations = annotations
        self.sub_objects = sub_objects

    @classmethod
    def open(
        cls, path: Path | str, split: Split | None = None, *, sub_objects: SubObjects = "merged", parts: bool = False
    ) -> Dataset:
        """Merge the shards of a data set.

        Args:
            path: The folder.
            split: Only the pictures of scenes of this split; None for all.
            sub_objects: "merged": whole objects alone; "apart": drawers, basins and so on are instances too and are cut
                out of their wholes.
            parts: Append the parts (handle, lid, ...) after the instances, with class id -1.

        Raises:
            InputError: If there is no data set, or the split does not exist.
        """
        path = Path(path)
        if not (path / "dataset.json").is_file():
            raise InputError(
                f"expected a data set with dataset.json in {path}, found none: collect one with `saom collect`"
            )
        if split is not None and split not in SPLITS:
            raise InputError(f"expected a split of {SPLITS}, got {split!r}")
        images: list[dict[str, Any]] = []
        annotations: dict[int, list[dict[str, Any]]] = {}
        for shard_path in sorted((path / "shards").glob("[0-9]*.json")):
            shard = json.loads(shard_path.read_bytes())
            for image in shard["images"]:
                if split is None or image["split"] == split:
                    images.append(image)
                    annotations[image["id"]] = []
            for entry in shard["annotations"] + (shard["parts"] if parts else []):
                if entry["image_id"] in annotations:
                    annotations[entry["image_id"]].append(entry)
        info = json.loads((path / "dataset.json").read_text())
        return cls(path, info, images, annotations, sub_objects)

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
            CLASSES_AND_OTHER[entry["category_id"]] if "category_id" in entry else entry["name"] for entry in entries
        )
        return Sample(
            image_rgb=self._picture(image["file_name"], cv2.IMREAD_COLOR)[..., ::-1].copy(),
            depth_m=self._picture(image["depth_file_name"], cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000,
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

    def _picture(self, name: str, mode: int) -> np.ndarray:
        picture = cv2.imread(str(self.path / name), mode)
        if picture is None:
            raise InputError(
                f"expected a picture at {self.path / name}, got none or a broken one: run `saom dataset check`"
            )
        return picture
