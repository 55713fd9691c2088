"""From a sample of the data set to one training item: crop, colours, depth, prompts, targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from saom_core.config import check_options, option_field
from saom_core.errors import ConfigError
from saom_core.masks import box_of_mask

from ..assign import BACKGROUND, grid_prompts
from ..dataset import Dataset as SimulatedDataset
from ..dataset import Sample
from .colours import recoloured
from .prints import as_jpeg, printed
from .seeded_order import image_of, item_rng

MASK_STRIDE = 4
"""Masks are learned at the network's mask resolution, a quarter of the input."""
SEMANTIC_STRIDE = 8
_PRINTED = 0.7  # share of the pictures that prints may be on
CANVAS = 114
"""Grey value of what lies outside of the picture, as in `saom_core.letterbox`."""
IGNORED = -100
"""Pixels whose class is not asked: torch's own number for it."""


@dataclass(frozen=True)
class AugmentConfig:
    """How a training image is varied.

    Raises:
        ConfigError: a value out of range, or a size that the network cannot have.
    """

    size_hw: tuple[int, int] = option_field(
        (288, 384), "Network input, WIDTHxHEIGHT, both divisible by 32", unit="px", flag="size"
    )
    scale: tuple[float, float] = option_field(
        (0.8, 1.7), "Least and largest size of the image, relative to the one that just fits"
    )
    drop_depth: float = option_field(
        0.4, "Share of images without depth, so that RGB alone works", minimum=0.0, maximum=1.0
    )
    prompts: int = option_field(48, "Points per image", minimum=1)
    background_share: float = option_field(0.25, "Least share of points on background", minimum=0.0, maximum=1.0)
    grid: tuple[int, int] = option_field((32, 32), "Columns and rows of everything mode's point grid")
    min_visible_px: int = option_field(24, "Smaller objects are not asked for", unit="px", minimum=0)
    prints: float = option_field(
        0.0,
        "Share of objects with prints, lids and patterns, and JPEG on some images; 0: none",
        minimum=0.0,
        maximum=1.0,
    )

    def __post_init__(self) -> None:
        check_options(self)
        if min(self.size_hw) < 32 or any(side % 32 for side in self.size_hw):
            raise ConfigError(
                "size: expected width and height divisible by 32, as 384x288, got "
                f"{self.size_hw[1]}x{self.size_hw[0]}: the coarsest features of the network are 32 times smaller"
            )
        if min(self.grid) < 1 or not 0 < self.scale[0] <= self.scale[1]:
            raise ConfigError(f"grid, scale: expected positive numbers, got {self.grid} and {self.scale}")


@dataclass
class TrainingItem:
    """One image; N prompts, T target objects."""

    image: Tensor  # (H, W, 3) uint8
    depth: Tensor  # (H, W) float32
    points: Tensor  # (N, 2) float32, 0..1
    targets: Tensor  # (N,) int64 row of masks, or BACKGROUND
    masks: Tensor  # (T, H/4, W/4) float32, share of the mask pixel that the object covers
    boxes: Tensor  # (T, 4) float32 xyxy, 0..1
    class_ids: Tensor  # (T,) int64
    semantic: Tensor  # (H/8, W/8) int64 class of the pixel, BACKGROUND, or IGNORED
    plain_image: Tensor  # (H, W, 3) uint8 with the data set's colours
    plain_depth: Tensor  # (H, W) float32, neither damaged nor dropped


class AugmentedStream(Dataset[TrainingItem]):
    """Item i of an endless stream of augmented images; epochs are permutations of the data set.

    Args:
        data: the images.
        config: what they go through.
        seed: item i follows from it and i alone, so a resumed run sees what an unbroken one sees.
        length: number of items.
        every_object: items have the masks of all objects that are seen, not only of those that a prompt asks for.
    """

    def __init__(
        self, data: SimulatedDataset, config: AugmentConfig, seed: int, length: int, *, every_object: bool = False
    ) -> None:
        self._data, self._config, self._seed, self._length = data, config, seed, length
        self._every_object = every_object

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> TrainingItem:
        sample = self._data[image_of(self._seed, i, len(self._data))]
        return training_item(sample, self._config, item_rng(self._seed, i), every_object=self._every_object)


def training_item(
    sample: Sample, config: AugmentConfig, rng: np.random.Generator, *, every_object: bool = False
) -> TrainingItem:
    """One augmented training image with its prompts.

    Masks may overlap. A prompt means the smallest object that lies under it, but the mask it asks for is that object
    whole: a prompt on a pot's side asks for the pot with its lid. A view that shows nothing but pixels that must not be
    asked about becomes an empty canvas, as the border of a picture is one.

    Args:
        sample: of the data set.
        config: sizes and strengths.
        rng: source of every random choice.
        every_object: whether the item has the masks of objects that no prompt asks for, too.
    """
    height, width = config.size_hw
    matrix = _random_placement(sample.image_rgb.shape[:2], config, rng)
    image = _warp(sample.image_rgb, matrix, config.size_hw, cv2.INTER_LINEAR, (CANVAS,) * 3)
    depth = _warp(sample.depth_m, matrix, config.size_hw, cv2.INTER_NEAREST, 0)
    ids = _warp(_object_ids(sample), matrix, config.size_hw, cv2.INTER_NEAREST, BACKGROUND)
    seen = printed(image, ids, config.prints, rng) if config.prints and rng.random() < _PRINTED else image
    _ask_only_for_visible(ids, config.min_visible_px)
    plain_depth = depth
    depth = np.zeros_like(depth) if rng.random() < config.drop_depth else _damage_depth(depth, rng)
    if (ids < BACKGROUND).all():
        image, depth, ids = np.full_like(image, CANVAS), np.zeros_like(depth), np.full_like(ids, BACKGROUND)
        seen, plain_depth = image, depth
    prompts = grid_prompts(ids, config.prompts, config.background_share, config.grid, rng)
    kept = np.unique(ids if every_object else prompts.targets)
    kept = kept[kept > BACKGROUND]
    targets = np.where(prompts.targets == BACKGROUND, BACKGROUND, np.searchsorted(kept, prompts.targets))
    wholes = [_warp(sample.masks[k].view(np.uint8), matrix, config.size_hw, cv2.INTER_NEAREST, 0) for k in kept]
    small = (width // MASK_STRIDE, height // MASK_STRIDE)
    masks = [cv2.resize(mask.astype(np.float32), small, interpolation=cv2.INTER_AREA) for mask in wholes]
    camera = _as_a_camera_sees(seen, rng)
    return TrainingItem(
        image=torch.from_numpy(as_jpeg(camera, rng) if config.prints else camera),
        depth=torch.from_numpy(depth),
        points=torch.from_numpy(prompts.points_xy),
        targets=torch.from_numpy(targets.astype(np.int64)),
        masks=torch.from_numpy(np.array(masks, np.float32).reshape(-1, small[1], small[0])),
        boxes=torch.from_numpy(np.array([_box_of(mask) for mask in wholes], np.float32).reshape(-1, 4)),
        class_ids=torch.from_numpy(np.asarray(sample.class_ids, np.int64)[kept]),
        semantic=torch.from_numpy(_semantic(ids, sample.class_ids)),
        plain_image=torch.from_numpy(image),
        plain_depth=torch.from_numpy(plain_depth),
    )


def _semantic(ids: npt.NDArray[np.int16], class_ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Class of the pixel at the middle of each cell of the semantic grid."""
    at = ids[SEMANTIC_STRIDE // 2 :: SEMANTIC_STRIDE, SEMANTIC_STRIDE // 2 :: SEMANTIC_STRIDE]
    # the ids -2 and -1 take the last two labels
    labels = np.append(np.asarray(class_ids, np.int64), [IGNORED, BACKGROUND])
    return labels[at.astype(np.intp)]


def _ask_only_for_visible(ids: npt.NDArray[np.int16], least_px: int) -> None:
    """Marks, in place, the pixels of objects that show fewer pixels than that: they must not be asked about."""
    present, counts = np.unique(ids[ids >= 0], return_counts=True)
    ids[np.isin(ids, present[counts < least_px])] = BACKGROUND - 1


def _object_ids(sample: Sample) -> npt.NDArray[np.int16]:
    """(H, W) id map of whole objects, smaller ones in front; BACKGROUND - 1 where the data set says "do not ask"."""
    ids = np.where(sample.ignore, np.int16(BACKGROUND - 1), np.int16(BACKGROUND))
    for k in sorted(range(len(sample.masks)), key=lambda k: -int(sample.masks[k].sum())):
        ids[sample.masks[k]] = k
    return ids


def _random_placement(
    source_hw: tuple[int, ...], config: AugmentConfig, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """(2, 3) affine map from source to input: scale, crop or pad, mirror, a small roll."""
    height, width = config.size_hw
    fit = min(height / source_hw[0], width / source_hw[1])
    scale = fit * np.exp(rng.uniform(*np.log(config.scale)))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    roll = np.deg2rad(rng.normal(0.0, 5.0))
    linear = scale * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]) @ np.diag([mirror, 1.0])
    slack = np.abs(np.array([source_hw[1] * scale - width, source_hw[0] * scale - height])) / 2
    center = np.array([width, height]) / 2 + rng.uniform(-1, 1, 2) * slack
    offset = center - linear @ (np.array([source_hw[1], source_hw[0]]) / 2)
    # The lengths above count from the picture's corner, OpenCV counts from the centre of its first pixel.
    offset += linear @ np.full(2, 0.5) - 0.5
    return np.column_stack([linear, offset])


def _warp(
    source: npt.NDArray[Any], matrix: npt.NDArray[np.float64], size_hw: tuple[int, int], flags: int, border: Any
) -> npt.NDArray[Any]:
    return cv2.warpAffine(source, matrix, (size_hw[1], size_hw[0]), flags=flags, borderValue=border)


def _box_of(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(4,) left, top, right, bottom of a mask (H, W) that is not empty, 0..1 of the network's input."""
    box = box_of_mask(mask.astype(bool))
    assert box is not None, "a prompt lies on it"
    return np.array(box) / (mask.shape[::-1] * 2)


def _as_a_camera_sees(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Other colours, out of focus, or without colour, each for a share of the pictures."""
    if rng.random() < 0.8:
        image = recoloured(image, 1.0, rng)
    if rng.random() < 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)), np.uint8)
    if rng.random() < 0.05:
        image = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
    return image


def _damage_depth(depth: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """More holes and a shift against the image than the simulated sensor makes, on half of the images."""
    if rng.random() < 0.5:
        return depth
    depth = depth.copy()
    height, width = depth.shape
    for _ in range(rng.integers(0, 6)):
        center = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(2, width // 10)), int(rng.integers(2, height // 10)))
        cv2.ellipse(depth, center, axes, float(rng.uniform(0, 180)), 0, 360, 0.0, cv2.FILLED)
    shift = rng.integers(-3, 4, 2)
    return np.roll(depth, tuple(shift), axis=(0, 1))
