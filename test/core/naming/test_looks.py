"""What things look like: against a loop over cells, and who gets a name that was taught by looks."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from saom_core.config import SaomConfig
from saom_core.errors import ModelError
from saom_core.instances import Instances, MaskCrop
from saom_core.model_file.reference import ReferenceObjects
from saom_core.model_file.taught import TaughtClass, colour_vectors, normalised
from saom_core.naming.classifier import CELLS, FEATURES, LOOK_SIZE, PhotoClassifier
from saom_core.naming.looks import COLOUR_WEIGHT, describe, likely_names, mean_lab
from saom_core.naming.photo_names import PhotoNames
from saom_core.naming.taught_looks import TaughtLooks
from saom_core.runtime import ModelInfo
from saom_core.taxonomy import CLASSES_AND_OTHER

SHA = "cd" * 32


class Averages(PhotoClassifier):
    """Its features are mean colours of the cells that the things cover."""

    def __init__(self, reference: ReferenceObjects | None = None) -> None:
        self.reference, self.sha256 = reference, SHA
        self.asked = 0  # crops

    def see(self, crops: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.asked += len(crops)
        side = crops.shape[1] // CELLS
        means = crops.reshape(len(crops), CELLS, side, CELLS, side, 3).mean(axis=(2, 4))
        features = np.zeros((len(crops), FEATURES), np.float32)
        features[:, :3] = (means * cells[..., None]).sum(axis=(1, 2)) / cells.sum(axis=(1, 2))[:, None]
        return np.zeros((len(crops), 1), np.float32), features

    def names(self, logits: np.ndarray, temperature: float) -> np.ndarray:
        return np.ones((len(logits), 1), np.float32)


def direction(*values: float) -> np.ndarray:
    return normalised(np.array([*values, *(0.0,) * (LOOK_SIZE - len(values))], np.float32))


def things(count: int) -> Instances:
    masks = [MaskCrop(30 * k, 5, np.ones((20, 16), np.bool_)) for k in range(count)]
    return Instances.from_masks(
        (60, 200),
        masks,
        np.linspace(0.9, 0.8, count).astype(np.float32),
        class_ids=np.full(count, 11, np.int32),
        class_names=[CLASSES_AND_OTHER[11]] * count,
        class_scores=np.full(count, 0.6, np.float32),
    )


def info_of(*taught: TaughtClass) -> ModelInfo:
    names = (*CLASSES_AND_OTHER, *(one.name for one in taught))
    return ModelInfo("m", "m.onnx", names, "cpu", "cpu", "", (288, 384), uses_depth=True, taught=taught)


def test_a_descriptor_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    blob = np.hypot(*(np.indices((50, 40)) - np.array([25, 20])[:, None, None])) < 19
    mask = MaskCrop.from_dense(blob, (60, 40))
    (found,) = describe(Averages(), image, [mask])
    dense = mask.dense((120, 160))
    rgb = image[dense].mean(axis=0)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[dense].mean(axis=0)
    expected = [*(rgb / np.linalg.norm(rgb)), *COLOUR_WEIGHT * colour_vectors(lab[None])[0]]
    parts = [*found[:3], *found[-3:]]
    np.testing.assert_allclose(parts, np.array(expected) / np.linalg.norm(expected), atol=0.02)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5) and found.shape == (LOOK_SIZE,)


def test_what_surrounds_a_thing_is_no_part_of_its_look() -> None:
    """Of the bundled classifier, too, of things that do not fill their squares."""
    classifier = PhotoClassifier("cpu", 1)
    rng = np.random.default_rng(1)
    prints = [cv2.resize(rng.integers(0, 255, (9, 9, 3), np.uint8), (90, 90)) for _ in range(2)]
    tables = [np.full((200, 200, 3), grey, np.uint8) for grey in (60, 180)]
    mask = MaskCrop(55, 55, np.hypot(*(np.indices((90, 90)) - 44.5)) < 44)
    described = []
    for thing in prints:
        for table in tables:
            picture = table.copy()
            picture[55:145, 55:145][mask.crop] = thing[mask.crop]
            described.append(describe(classifier, picture, [mask])[0])
    same_thing, same_table = described[0] @ described[1], described[0] @ described[2]
    assert 1 - same_thing < (1 - same_table) / 20


def test_mean_colours_against_a_loop() -> None:
    rng = np.random.default_rng(2)
    crops = np.repeat(np.repeat(rng.integers(0, 255, (2, 4, 4, 3), np.uint8), 2, 1), 2, 2)
    shares = rng.random((2, 4, 4)).astype(np.float32)
    shares[1] = 0
    found = mean_lab(crops, shares)
    lab = cv2.cvtColor(crops[0, ::2, ::2].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    expected = sum(shares[0, y, x] * lab[y, x] for y in range(4) for x in range(4)) / shares[0].sum()
    np.testing.assert_allclose(found[0], expected, atol=1e-3)
    assert not found[1].any()


def test_nothing_looks_like_nothing() -> None:
    classifier, picture = PhotoClassifier("cpu", 1), np.zeros((20, 20, 3), np.uint8)
    assert describe(classifier, picture, []).shape == (0, LOOK_SIZE)
    assert len(likely_names(classifier, picture, [], 1.0)) == 0


@pytest.mark.parametrize(("renames", "teaches"), [(True, False), (False, True), (True, True)])
def test_a_thing_is_looked_at_once_for_each_use(renames: bool, teaches: bool) -> None:
    info = info_of(*[TaughtClass("valve", direction(1), 0.8, {}, SHA)] * teaches)
    if not renames:  # a model of other classes
        info = dataclasses.replace(info, class_names=("nut", *(one.name for one in info.taught)))
    classifier = Averages()
    names = PhotoNames(info, SaomConfig(), classifier)
    looks = names.look(np.full((60, 200, 3), 200, np.uint8), things(3))
    assert classifier.asked == 3 * (renames + teaches)
    assert looks.described.any() == teaches
    assert np.allclose(looks.likely, 1 / looks.likely.shape[1]) != renames


def test_who_looks_like_a_taught_class_has_its_name_and_all_else_stays() -> None:
    by_embedding = TaughtClass("our_nut", np.ones(4, np.float32) / 2, 0.1, {})
    valve, gear = (TaughtClass(n, direction(*v), 0.8, {}, SHA) for n, v in (("valve", (1,)), ("gear", (0, 1))))
    taught = TaughtLooks(info_of(by_embedding, valve, gear), Averages())
    described = np.stack([direction(0.9, 0.1), direction(0.7, 0.7), direction(0.1, 2), np.zeros(LOOK_SIZE, np.float32)])
    before = things(4)
    after = taught.named(before, described)
    assert after.class_names == ("valve", CLASSES_AND_OTHER[11], "gear", CLASSES_AND_OTHER[11])
    assert after.class_ids.tolist() == [57, 11, 58, 11]
    assert after.class_scores[0] == pytest.approx(0.9 / 0.82**0.5, abs=1e-5)
    assert after.class_scores[1] == before.class_scores[1]
    assert len(taught.named(things(0), described[:0])) == 0
    assert TaughtLooks(info_of(by_embedding), Averages()).named(before, described) is before


def test_what_looks_more_like_a_reference_object_keeps_its_name() -> None:
    valve = TaughtClass("valve", direction(1), 0.8, {}, SHA)
    nearer = Averages(ReferenceObjects(direction(0.9, 0.1)[None], ("Mug",)))
    described = np.stack([direction(0.9, 0.1), direction(1)])
    assert TaughtLooks(info_of(valve), nearer).named(things(2), described).class_names[1] == "valve"
    assert TaughtLooks(info_of(valve), nearer).named(things(2), described).class_names[0] != "valve"


def test_looks_of_another_classifier_are_refused() -> None:
    other = TaughtClass("valve", direction(1), 0.8, {}, "12" * 32)
    with pytest.raises(ModelError, match=r"valve.*cdcdcd.*12121212.*teach it anew"):
        TaughtLooks(info_of(other), Averages())


def test_the_bundled_classifier_keeps_reference_objects() -> None:
    reference = PhotoClassifier("cpu", 1).reference
    assert reference is not None and reference.described.shape[1] == LOOK_SIZE
    assert set(reference.class_names) <= set(CLASSES_AND_OTHER) and len(reference.class_names) >= 300
