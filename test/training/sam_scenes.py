"""Small pictures, data sets and networks for the tests of SAM fine-tuning."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch

from saom_core.camera import CameraIntrinsics
from saom_core.sam.network import SamModel, SamSizes, build_sam
from saom_core.taxonomy import CLASSES_AND_OTHER
from saom_training.data.frames import Frame, FrameObject
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.recipes.sam import SAOM

TINY = SamSizes(64, 16, 32, 2, 2, 64, 0, (0, 1), 32, 16, 3, 2, 32, 2, 3, 32, 2)
"""4 x 4 image tokens of 32 channels, masks of 16 x 16: a step takes milliseconds."""

COLOURS = {"Mug": (220, 40, 40), "Book": (40, 60, 220), "Bowl": (40, 200, 60)}


QUICK = dataclasses.replace(
    SAOM, steps=4, batch=2, bf16=False, workers=0, checkpoint_every=2, warmup_steps=1, grid=(8, 8), views=2
)
"""A run of seconds at most."""


def tiny_model(seed: int = 0, sizes: SamSizes = TINY) -> SamModel:
    """A network with random weights and no class head."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SamModel(build_sam(sizes), sizes)


def frame(seed: int, split: str = "train", size_hw: tuple[int, int] = (48, 64), objects: int = 2) -> Frame:
    """Rectangles on grey, each of its class's colour, each with a darker part; seeds give places and classes."""
    rng = np.random.default_rng(seed)
    height, width = size_hw
    image = np.full((height, width, 3), 120, np.uint8)
    ids, parts = np.full(size_hw, -1, np.int32), np.zeros(size_hw, np.int32)
    listed = []
    for k, name in enumerate(rng.permutation(list(COLOURS))[:objects]):
        h, w = int(rng.integers(height // 3, height // 2)), int(rng.integers(width // 4, width // 3))
        y, x = int(rng.integers(height - h)), int(rng.integers(width // 2 - w)) + k * width // 2
        window, part = (slice(y, y + h), slice(x, x + w)), (slice(y, y + h // 3), slice(x, x + w))
        image[window], ids[window] = COLOURS[str(name)], k
        image[part], parts[part] = np.array(COLOURS[str(name)]) // 2, 1
        listed.append(FrameObject(str(name), "block", ("body", "lid"), {}, 1.0))
    image = np.clip(image.astype(int) + rng.integers(-8, 9, image.shape), 0, 255).astype(np.uint8)
    camera = CameraIntrinsics(70.0, 70.0, width / 2, height / 2, width, height)
    depth = np.full(size_hw, 1.0, np.float32)
    return Frame(image, depth, ids, parts, tuple(listed), camera, np.eye(4), f"scene_{seed}", split)  # type: ignore[arg-type]


def write_data(path: Path, frames: int = 4, **kwargs: object) -> Path:
    """A data set of `frames` scenes of one picture."""
    writer = DatasetWriter(path, {"simulator": "test", "seed": 1})
    for seed in range(frames):
        writer.write_episode(seed, [frame(seed, **kwargs)])  # type: ignore[arg-type]
    return path


def open_data(path: Path, frames: int = 4, **kwargs: object) -> Dataset:
    """The training split of a new data set."""
    return Dataset.open(write_data(path, frames, **kwargs), "train")


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth coloured patches."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 40 + 2, width // 40 + 2, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Layers this small only lose by sharing work; and other processes, told the same, add up in the same order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run / "last.safetensors")


def losses(run: Path, name: str = "total") -> list[float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(run / "tensorboard"))
    log.Reload()
    # files of a killed and of a resumed run may be read in either order; what was written last counts
    events = sorted(log.Scalars(f"loss/{name}"), key=lambda event: event.wall_time)
    by_step = {event.step: event.value for event in events}
    return [by_step[step] for step in sorted(by_step)]


def assert_equal(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], **tolerance: float) -> None:
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(actual[name], value, msg=name, **tolerance)


assert set(COLOURS) <= set(CLASSES_AND_OTHER)
