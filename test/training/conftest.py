"""What the tests of the training side share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from saom_core.camera import CameraIntrinsics
from saom_core.taxonomy import OTHER
from saom_training.data.frames import Frame, FrameObject
from saom_training.dataset import Dataset, DatasetWriter

if TYPE_CHECKING:
    from saom_core.sam.network import SamModel

SIZE_HW = (60, 80)


@pytest.fixture
def make_frame() -> Callable[..., Frame]:
    """A maker of small frames for data sets: `make_frame(seed, split)`."""
    return _frame


@pytest.fixture(scope="session")
def three_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three scenes of one picture, all for training; tests read it and leave it as it is."""
    writer = DatasetWriter(tmp_path_factory.mktemp("three") / "data", {"simulator": "test", "seed": 1})
    for episode in range(3):
        writer.write_episode(episode, [_frame()])
    return writer.path


@pytest.fixture
def data(three_pictures: Path) -> Dataset:
    """Its training split."""
    return Dataset.open(three_pictures, "train")


@pytest.fixture(scope="session")
def tiny_stand_in() -> SamModel:
    """A tiny network that answers each point with three discs: taught once, in ten seconds, and changed by nobody."""
    from sam_scenes import TINY

    from saom_training.benches.sam_stand_in import stand_in

    return stand_in(TINY, class_names=tuple("abcde"))


def _frame(seed: int = 0, split: str = "train") -> Frame:
    """A dresser with an open drawer and a mug with a handle before it, a speck, and a nearly hidden bowl."""
    rng = np.random.default_rng(seed)
    objects = (
        FrameObject("Dresser", "dresser_low", ("body", "drawer_1"), {"drawer_1": "Drawer"}, 0.8),
        FrameObject("Mug", "mug_with_handle", ("body", "handle"), {}, 1.0),
        FrameObject("Book", "speck", ("body",), {}, 1.0),
        FrameObject("Bowl", "hidden", ("body",), {}, 0.05),
        FrameObject(OTHER, "ball", ("body",), {}, 1.0),
    )
    ids, parts = np.full(SIZE_HW, -1, np.int32), np.zeros(SIZE_HW, np.int32)
    ids[10:40, 10:60] = 0
    parts[20:30, 15:45] = 1
    ids[35:50, 20:40], parts[35:50, 20:40] = 1, 0
    parts[40:45, 20:25] = 1
    ids[5, 5] = 2
    ids[2:8, 60:70] = 3
    ids[45:55, 60:75] = 4
    return Frame(
        image_rgb=rng.integers(0, 256, (*SIZE_HW, 3), np.uint8),
        depth_m=rng.uniform(0, 4, SIZE_HW).astype(np.float32),
        object_ids=ids,
        part_ids=parts,
        objects=objects,
        camera=CameraIntrinsics(70.0, 71.0, 39.5, 29.5, 80, 60),
        pose=np.eye(4),
        scene=f"scene_{seed}",
        split=split,  # type: ignore[arg-type]
    )
