"""The objects of a data set as the object head sees them, kept in memory and varied when they are drawn.

Each object is kept with its true mask. In a share of the images it is kept a second time, with the mask that the
network draws: a head that has only seen true masks names half as many objects right when it is given drawn ones.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from saom_core.letterbox import Letterbox
from saom_core.masks import box_of_mask, in_front

from ..dataset import Dataset, Sample
from ..networks.object_head import CHANNELS, CROP, RELIEF_LIMIT, WIDEN, ObjectViews, geometry, mask_boxes, relief
from ..networks.tiny import SaomTiny
from ..running.precision import mixed_precision
from ..running.processes import Processes
from ..running.workers import shared_out

KEPT, KEPT_WIDEN = 48, 1.6
"""Edge of kept squares, and how much of the surroundings they cover: more than the head sees, to shift crops."""
DRAWN_HW = (288, 384)
"""Size at which masks are drawn: that of the exported file."""
LEAST_IOU = 0.4
_RELIEF_STEP = 127 / RELIEF_LIMIT
_Row = tuple[npt.NDArray[Any], npt.NDArray[Any], np.float32, np.int64]  # of one object, as in `ObjectCrops`


@dataclass
class ObjectCrops:
    """N objects."""

    pictures: Tensor  # (N, CHANNELS, KEPT, KEPT) uint8: RGB, relief * _RELIEF_STEP + 128, mask * 255
    boxes: Tensor  # (N, 4) float32 xyxy in 0..1
    nearness: Tensor  # (N,) float32 inverse depth, 1 / m, 0 = unknown
    class_ids: Tensor  # (N,) int64

    def __len__(self) -> int:
        return len(self.class_ids)

    def to(self, device: torch.device) -> ObjectCrops:
        """The same on a device."""
        return ObjectCrops(*(getattr(self, field.name).to(device) for field in dataclasses.fields(self)))


def read_objects(
    data: Dataset,
    network: SaomTiny | None = None,
    drawn_share: float = 0.0,
    workers: int = 0,
    processes: Processes | None = None,
) -> ObjectCrops:
    """All whole objects of a data set; about 12 kB of memory each.

    Args:
        data: the images.
        network: draws masks; None: true masks alone.
        drawn_share: share of the images whose objects are also kept with drawn masks.
        workers: processes that read and draw.
        processes: that train together: each reads its share of the images, and has all objects in the end.
    """
    images = _ObjectsOfImages(data, network, drawn_share)
    found = shared_out(images, len(data), workers, processes, unit="image", desc="objects")
    return together([row for of_image in found for row in of_image])


class _ObjectsOfImages(TorchDataset[list[_Row]]):
    """Reads the objects of each image with their true masks, and in a share of the images with drawn ones."""

    def __init__(self, data: Dataset, network: SaomTiny | None, drawn_share: float) -> None:
        self._data, self._network, self._drawn_share = data, network, drawn_share

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, i: int) -> list[_Row]:
        sample, rng = self._data[i], np.random.default_rng([0, i])
        rows = objects_of(sample)
        if self._network is not None and rng.random() < self._drawn_share:
            rows += objects_of(with_drawn_masks(sample, self._network, rng))
        return rows


@torch.no_grad()
def with_drawn_masks(sample: Sample, network: SaomTiny, rng: np.random.Generator) -> Sample:
    """The sample with the masks that the network draws when asked at a point of each object.

    Objects whose drawn mask has less than `LEAST_IOU` with the true one are left out.
    """
    box = Letterbox.fit(sample.depth_m.shape, DRAWN_HW)
    front = in_front(sample.masks)
    known = [k for k, mask in enumerate(front) if mask.any()]
    points = [_some_pixel(front[k], rng) for k in known]
    if not points:
        return dataclasses.replace(sample, masks=sample.masks[:0], class_ids=sample.class_ids[:0])
    scale = np.array(box.inner_hw[::-1]) / np.array(sample.depth_m.shape[::-1]) / np.array(DRAWN_HW[::-1])
    prompts = torch.from_numpy(np.array(points) * scale).float()
    with mixed_precision(torch.device("cpu")):
        image, depth = box.image(sample.image_rgb), box.depth(sample.depth_m)
        features = network.encode(torch.from_numpy(image)[None], torch.from_numpy(depth)[None])
        logits = network.masks(features, network.decode(features, prompts[None]).mask_embeddings)[0].float()
    corners = box.to_source((mask_boxes(logits).numpy() * np.array(DRAWN_HW[::-1] * 2)).astype(np.float64))
    masks, class_ids = [], []
    for k, row, corner in zip(known, logits.numpy(), corners, strict=True):
        drawn = box.cut_mask(row, corner)
        dense = np.zeros_like(sample.masks[k]) if drawn is None else drawn.dense(sample.depth_m.shape)
        if (dense & sample.masks[k]).sum() >= LEAST_IOU * (dense | sample.masks[k]).sum():
            masks.append(dense)
            class_ids.append(sample.class_ids[k])
    shape = (len(masks), *sample.depth_m.shape)
    return dataclasses.replace(
        sample, masks=np.array(masks, bool).reshape(shape), class_ids=np.array(class_ids, np.int32)
    )


def _some_pixel(mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    k = rng.integers(len(rows))
    return columns[k] + 0.5, rows[k] + 0.5


def together(rows: list[_Row]) -> ObjectCrops:
    """Joins rows to one set of objects; no rows give empty tensors."""
    if not rows:
        empty = torch.zeros((0, CHANNELS, KEPT, KEPT), dtype=torch.uint8)
        return ObjectCrops(empty, torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    pictures, boxes, nearness, class_ids = (np.stack(column) for column in zip(*rows, strict=True))
    return ObjectCrops(*map(torch.from_numpy, (pictures, boxes, nearness, class_ids)))


def objects_of(sample: Sample) -> list[_Row]:
    """The crops of a sample's whole objects."""
    height, width = sample.depth_m.shape
    inverse = np.where(sample.depth_m > 0, 1 / np.maximum(sample.depth_m, 0.05), 0).astype(np.float32)
    rows = []
    for mask, class_id in zip(sample.masks, sample.class_ids, strict=True):
        edges = box_of_mask(mask)
        if edges is None:
            continue
        box = np.array(edges, np.float32)
        own = inverse[mask & (inverse > 0)]
        nearness = np.float32(np.median(own) if own.size > 3 else 0.0)
        picture = _picture(sample.image_rgb, inverse, mask, box, nearness)
        rows.append((picture, box / np.array([width, height] * 2, np.float32), nearness, np.int64(class_id)))
    return rows


def _picture(
    image_rgb: npt.NDArray[np.uint8],
    inverse: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_],
    box: npt.NDArray[np.float32],
    nearness: np.float32,
) -> npt.NDArray[np.uint8]:
    center, size = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * KEPT_WIDEN
    scale = size / KEPT
    matrix = np.column_stack([np.diag(scale), center - size / 2 + scale / 2 - 0.5])

    def cut(source: npt.NDArray[Any], flags: int) -> npt.NDArray[Any]:
        return cv2.warpAffine(source, matrix, (KEPT, KEPT), flags=flags | cv2.WARP_INVERSE_MAP)

    blur = int(scale.max())
    smooth = cv2.blur(image_rgb, (blur, blur)) if blur >= 2 else image_rgb
    at = torch.from_numpy(cut(inverse, cv2.INTER_NEAREST))[None, None]
    steps = relief(at, torch.tensor([nearness]))[0] * _RELIEF_STEP + 128
    return np.concatenate(
        [
            cut(smooth, cv2.INTER_LINEAR).transpose(2, 0, 1),
            steps.round().byte().numpy(),
            (cut(mask.astype(np.float32), cv2.INTER_LINEAR) * 255).astype(np.uint8)[None],
        ]
    )


def plain_views(objects: ObjectCrops, chosen: Tensor) -> ObjectViews:
    """The views of some objects, unchanged."""
    turned = torch.zeros(len(chosen), 2, 3, device=chosen.device)
    turned[:, 0, 0] = turned[:, 1, 1] = WIDEN / KEPT_WIDEN
    boxes, nearness = objects.boxes[chosen], objects.nearness[chosen]
    return ObjectViews(_resampled(objects, chosen, turned), geometry(boxes, nearness, boxes.new_zeros(())))


def varied_views(
    objects: ObjectCrops,
    chosen: Tensor,
    drop_depth: float,
    generator: torch.Generator,
    part: slice = slice(None),
) -> ObjectViews:
    """The views of some objects, turned, shifted, mirrored, recoloured, with masks as coarse as predicted ones.

    Args:
        objects: all.
        chosen: (n,) rows.
        drop_depth: share without depth.
        generator: draws everything, on the objects' device.
        part: of the chosen ones those that are wanted. Numbers are drawn for all of them, so that an object looks the
            same whichever process of a training has it.
    """
    every = len(chosen)
    chosen = chosen[part]

    def normal(*shape: int) -> Tensor:
        return torch.randn(every, *shape, generator=generator, device=generator.device)[part]

    def uniform(*shape: int) -> Tensor:
        return torch.rand(every, *shape, generator=generator, device=generator.device)[part]

    angle, mirror = normal() * 0.12, torch.where(uniform() < 0.5, -1.0, 1.0)
    scale = WIDEN / KEPT_WIDEN * (normal(2) * 0.08).exp()
    turned = torch.stack(
        [
            torch.stack([angle.cos() * scale[:, 0] * mirror, -angle.sin() * scale[:, 1], normal() * 0.05], dim=1),
            torch.stack([angle.sin() * scale[:, 0] * mirror, angle.cos() * scale[:, 1], normal() * 0.05], dim=1),
        ],
        dim=1,
    )
    crops = _resampled(objects, chosen, turned)
    colors, depth, mask = crops[:, :3], crops[:, 3:4], crops[:, 4:]
    grey = colors.mean(dim=1, keepdim=True)
    colors = grey + (colors - grey) * (uniform(1, 1, 1) * 1.5)
    colors = colors * (0.6 + 0.9 * uniform(1, 1, 1)) * (0.8 + 0.4 * uniform(3, 1, 1))
    colors = colors.clamp(0, 1) ** (normal(1, 1, 1) * 0.25).exp()
    colors = colors + normal(3, CROP, CROP) * 0.04 * uniform(1, 1, 1)
    coarse = F.interpolate(F.avg_pool2d(mask, 4), size=CROP, mode="bilinear", align_corners=False)
    mask = torch.where(uniform(1, 1, 1) < 0.5, coarse, mask)
    with_depth = uniform() >= drop_depth
    nearness = objects.nearness[chosen] * with_depth
    boxes = objects.boxes[chosen]
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) * (normal(1) * 0.15).exp()
    boxes = torch.cat([middle - size / 2, middle + size / 2], dim=1) + (normal(1) * 0.05)
    crops = torch.cat([colors, depth * with_depth[:, None, None, None], mask], dim=1)
    return ObjectViews(crops, geometry(boxes, nearness, normal() * 0.15))


def _resampled(objects: ObjectCrops, chosen: Tensor, turned: Tensor) -> Tensor:
    pictures = objects.pictures[chosen].float()
    grid = F.affine_grid(turned, [len(chosen), CHANNELS, CROP, CROP], align_corners=False)
    x = F.grid_sample(pictures, grid, align_corners=False, padding_mode="border")
    return torch.cat([x[:, :3] / 255, (x[:, 3:4] - 128) / _RELIEF_STEP, x[:, 4:] / 255], dim=1)
