"""Names of what the bundled model finds: by itself, with photographs, with more words, and in streams."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from saom_core.config import SaomConfig
from saom_core.everything import OnnxSegmenter
from saom_core.instances import Instances, MaskCrop
from saom_core.model_file.taught import TaughtClass
from saom_core.naming import fusion
from saom_core.naming.classifier import CELLS, FEATURES, LOOK_SIZE, PhotoClassifier
from saom_core.naming.looks import Looks
from saom_core.naming.photo_names import PhotoNames, knows_names, with_vocabulary
from saom_core.naming.track_looks import LOOK_AGAIN, LOOKS_A_FRAME, MOST_LOOKS, NamedStream, TrackLooks
from saom_core.naming.vocabulary import MEANINGS
from saom_core.pictures.photos import image_rgb_of
from saom_core.runtime import ModelInfo
from saom_core.taxonomy import CLASSES, CLASSES_AND_OTHER, OTHER
from saom_core.tracking.tracker import Tracker

ROOT = Path(__file__).resolve().parents[3]
NAMES = [*(meaning.name for meaning in MEANINGS), OTHER]
PICTURE = np.zeros((240, 320, 3), np.uint8)
SHA = "ab" * 32


def info_of(class_names: tuple[str, ...]) -> ModelInfo:
    return ModelInfo("model", "model.onnx", class_names, "cpu", "cpu", "", (288, 384), uses_depth=True)


class Told(PhotoClassifier):
    """Says of each thing what it is told, and counts the crops."""

    def __init__(self, *names: str) -> None:
        self.told, self.crops, self.reference, self.sha256 = list(names), 0, None, SHA

    def see(self, crops: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The thing's number as logits, its colour as features."""
        logits = (self.crops + np.arange(len(crops))[:, None]) % len(self.told)
        self.crops += len(crops)
        features = np.zeros((len(crops), FEATURES), np.float32)
        features[:, :3] = crops.mean(axis=(1, 2)) + 1
        return logits.astype(np.float32), features

    def names(self, logits: np.ndarray, temperature: float) -> np.ndarray:
        answer = np.full((len(logits), len(NAMES)), 0.05 / len(NAMES), np.float32)
        for k, number in enumerate(logits[:, 0]):
            answer[k, NAMES.index(self.told[int(number)])] += 0.95
        return answer


def things(count: int, *, name: str = "Bread", score: float = 0.6) -> Instances:
    masks = [MaskCrop(5 + 30 * (k % 10), 5 + 30 * (k // 10), np.ones((20, 15 + k % 3), np.bool_)) for k in range(count)]
    return Instances.from_masks(
        PICTURE.shape[:2],
        masks,
        np.linspace(0.9, 0.8, count).astype(np.float32),
        class_ids=np.full(count, CLASSES_AND_OTHER.index(name), np.int32),
        class_names=[name] * count,
        class_scores=np.full(count, score, np.float32),
    )


def tracked(instances: Instances, first: int = 1) -> Instances:
    return dataclasses.replace(instances, track_ids=np.arange(first, first + len(instances), dtype=np.int32))


def test_a_surely_known_photograph_has_the_last_word_and_a_doubtful_answer_is_other() -> None:
    names = PhotoNames(info_of(CLASSES_AND_OTHER), SaomConfig(), Told("Mug", "Banana"))
    mug, banana = names.named(PICTURE, things(2), 0.5).class_names
    assert (mug, banana) == ("Mug", OTHER)  # a banana is no name of the simulators, and surely no Bread
    strict = names.named(PICTURE, things(1), 1.0)
    assert strict.class_names == (OTHER,) and strict.class_ids.tolist() == [CLASSES_AND_OTHER.index(OTHER)]


def test_the_household_has_its_names_behind_the_models_and_before_taught_ones() -> None:
    config = SaomConfig(vocabulary="household")
    info = with_vocabulary(info_of(CLASSES_AND_OTHER), config)
    assert info.class_names[: len(CLASSES_AND_OTHER)] == CLASSES_AND_OTHER
    assert set(info.class_names) == set(NAMES) and len(info.class_names) == len(NAMES)
    drill = Instances.from_masks(PICTURE.shape[:2], [MaskCrop(50, 50, np.ones((60, 80), np.bool_))], np.ones(1, "f4"))
    told = Told("PowerDrill")
    found = PhotoNames(info, config, told).named(PICTURE, drill, 0.5)
    assert found.class_names == ("PowerDrill",) and info.class_names[found.class_ids[0]] == "PowerDrill"
    likely = fusion.joined(
        fusion.opinion_of_photographs(told.names(np.zeros((1, 1)), 1.0), fusion.NAMELESS),
        fusion.opinion_of_model(drill.class_names, drill.class_scores),
        fusion.opinion_of_size(*fusion.lengths_of(drill, None)),
    )
    assert found.class_scores[0] == pytest.approx(likely[0, NAMES.index("PowerDrill")], rel=1e-4)


@pytest.mark.parametrize(("threshold", "called"), [(0.5, "Mug"), (0.72, "Mug"), (0.76, OTHER)])
def test_a_threshold_is_that_of_the_scores_that_are_given(threshold: float, called: str) -> None:
    """Likely by 0.97, and right in three of four cases that are so likely."""
    names = PhotoNames(info_of(CLASSES_AND_OTHER), SaomConfig(), Told("Mug"))
    likely = np.zeros((1, len(CLASSES_AND_OTHER)), np.float32)
    likely[0, [CLASSES_AND_OTHER.index("Mug"), -1]] = 0.97, 0.03
    given = names.given(things(1), likely, threshold)
    assert given.class_names == (called,) and 0.72 < given.class_scores[0] < 0.76


def test_other_and_what_is_doubtful_keep_their_probability() -> None:
    names = PhotoNames(info_of(CLASSES_AND_OTHER), SaomConfig(), Told("Mug"))
    likely = np.zeros((2, len(CLASSES_AND_OTHER)), np.float32)
    likely[:, -1], likely[1, 0] = (0.9, 0.3), 0.4
    given = names.given(things(2), likely, 0.5)
    assert given.class_names == (OTHER, OTHER)
    np.testing.assert_allclose(given.class_scores, [0.9, 0.4])


@pytest.mark.parametrize("threshold", [0.5, 0.9])
@pytest.mark.parametrize(("share", "called"), [(0.85, "Mug"), (0.75, OTHER)])
def test_a_track_keeps_its_name_while_the_score_is_near_the_threshold(
    threshold: float, share: float, called: str
) -> None:
    names, score = PhotoNames(info_of(CLASSES_AND_OTHER), SaomConfig(), Told("Mug")), share * threshold
    odds = (score / (1 - score)) ** (1.0 if score <= 0.5 else 1 / fusion.SURENESS)
    sure, doubtful = np.zeros((2, 1, len(CLASSES_AND_OTHER)), np.float32)
    sure[0, CLASSES_AND_OTHER.index("Mug")], doubtful[0, CLASSES_AND_OTHER.index("Mug")] = 0.9999, odds / (1 + odds)
    told, tracks = iter((sure, doubtful)), TrackLooks(names)
    with patch.object(names, "probabilities", lambda *_: next(told)):
        first, second = (tracks.named(PICTURE, tracked(things(1)), threshold).class_names for _ in range(2))
    assert (first, second) == (("Mug",), (called,))


def test_a_name_of_the_household_wants_a_surer_photograph_as_many_things_have_none() -> None:
    """Half-sure words are what the classifier says of things that it has never heard of."""
    config = SaomConfig(vocabulary="household")
    names = PhotoNames(with_vocabulary(info_of(CLASSES_AND_OTHER), config), config, Told("PillBottle"))
    given = []
    for sure in (0.4, 0.95):
        look = np.full((1, len(NAMES)), (1 - sure) / len(NAMES), np.float32)
        look[0, NAMES.index("PillBottle")] += sure
        described = np.zeros((1, LOOK_SIZE), np.float32)
        given += names.renamed(things(1, name=OTHER), Looks(look, described), 0.5).class_names
    assert given == [OTHER, "PillBottle"]


@pytest.mark.parametrize(
    ("class_names", "options", "known"),
    [
        (CLASSES_AND_OTHER, {}, True),
        (CLASSES_AND_OTHER, {"photo_names": False}, False),
        (CLASSES, {}, False),  # a checkpoint of the paper has no word for what it does not know
        (("Bolt", "Nut", OTHER), {}, False),
        ((), {}, False),
    ],
)
def test_photographs_have_a_say_only_where_the_classes_are_the_simulators(
    class_names: tuple[str, ...], options: dict[str, bool], known: bool
) -> None:
    config = SaomConfig(vocabulary="household", **options)
    info = info_of(class_names)
    assert knows_names(info, config) == known
    assert (with_vocabulary(info, config).class_names != class_names) == known


def test_taught_names_stay() -> None:
    valve = TaughtClass("our_valve", np.ones(3, np.float32), 0.5, {})
    info = dataclasses.replace(info_of((*CLASSES_AND_OTHER, "our_valve")), taught=(valve,))
    found = dataclasses.replace(things(2), class_ids=np.array([56, 11], np.int32), class_names=("our_valve", "Bread"))
    named = PhotoNames(info, SaomConfig(), Told("Mug")).named(PICTURE, found, 0.5)
    assert named.class_names == ("our_valve", "Mug") and named.class_scores[0] == found.class_scores[0]


def test_a_frame_costs_a_few_crops_and_new_things_come_first() -> None:
    classifier = Told("Mug")
    looks = TrackLooks(PhotoNames(info_of(CLASSES_AND_OTHER), SaomConfig(), classifier), looks_a_frame=3)
    seen = tracked(things(7))
    named, crops = [], []
    for _ in range(4):
        before = classifier.crops
        named.append(looks.named(PICTURE, seen, 0.5).class_names.count("Mug"))
        crops.append(classifier.crops - before)
    assert crops == [3, 3, 1, 0] and named == [3, 6, 7, 7]
    looks.named(PICTURE, tracked(things(8)), 0.5)
    assert classifier.crops == 8  # the eighth alone


def test_a_known_thing_is_looked_at_again_now_and_then_and_at_last_no_more() -> None:
    classifier = Told("Mug")
    looks = TrackLooks(PhotoNames(info_of(CLASSES_AND_OTHER), SaomConfig(), classifier))
    crops = []
    for _ in range((MOST_LOOKS + 3) * LOOK_AGAIN):
        looks.named(PICTURE, tracked(things(1)), 0.5)
        crops.append(classifier.crops)
    assert crops[0] == 1 and crops[LOOK_AGAIN - 1] == 1 and crops[LOOK_AGAIN] == 2 and crops[-1] == MOST_LOOKS


def test_a_name_does_not_alternate_between_two_that_are_level() -> None:
    classifier = Told("Mug", "Bowl")
    looks = TrackLooks(PhotoNames(info_of(CLASSES_AND_OTHER), SaomConfig(), classifier))
    names = [looks.named(PICTURE, tracked(things(1)), 0.3).class_names[0] for _ in range(6 * LOOK_AGAIN)]
    assert names[0] == "Mug" and sum(a != b for a, b in zip(names, names[1:], strict=False)) <= 2


def test_things_without_a_track_are_not_remembered() -> None:
    classifier = Told("Mug")
    looks = TrackLooks(PhotoNames(info_of(CLASSES_AND_OTHER), SaomConfig(), classifier))
    assert looks.named(PICTURE, things(2), 0.5).class_names == (OTHER, OTHER) and classifier.crops == 0
    assert len(looks.named(PICTURE, Instances.empty(PICTURE.shape[:2]), 0.5)) == 0


@pytest.fixture(scope="module")
def segmenter() -> OnnxSegmenter:
    return OnnxSegmenter(SaomConfig(threads=1, provider="cpu"))


def test_all_crops_at_once_are_each_by_itself() -> None:
    classifier = PhotoClassifier("cpu", 1)
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 255, (3, 224, 224, 3), np.uint8)
    cells = rng.uniform(0, 1, (3, CELLS, CELLS)).astype(np.float32)
    together = classifier.see(crops, cells)
    alone = classifier.see(crops[1:2], cells[1:2])
    assert [array.shape for array in together] == [(3, 1000), (3, FEATURES)]
    for array, one in zip(together, alone, strict=True):
        np.testing.assert_allclose(array[1:2], one, atol=1e-2)
    assert classifier.names(classifier.see(crops[:0], cells[:0])[0], 1.0).shape == (0, len(NAMES))


def test_the_bundled_model_asks_photographs_and_can_do_without(segmenter: OnnxSegmenter) -> None:
    image = image_rgb_of(ROOT / "demo" / "sequence" / "image_008.jpg")
    asked = segmenter.segment(image).instances
    segmenter.config = segmenter.config.replace(photo_names=False)
    alone = segmenter.segment(image).instances
    segmenter.config = segmenter.config.replace(photo_names=True)
    np.testing.assert_array_equal(asked.label_image(), alone.label_image())
    assert not np.array_equal(asked.class_scores, alone.class_scores)
    assert all(score >= 0.5 or name == OTHER for name, score in zip(asked.class_names, asked.class_scores, strict=True))


def test_a_stream_leaves_the_options_alone_and_gives_tracks_the_names_of_a_photo(segmenter: OnnxSegmenter) -> None:
    image = image_rgb_of(ROOT / "demo" / "sequence" / "image_008.jpg")
    before, live, film = segmenter.config, NamedStream(segmenter, live=True), NamedStream(segmenter)
    photo = Tracker().update(segmenter.segment(image).instances, 0.0)
    assert len(photo) > LOOKS_A_FRAME
    assert film.update(image, 0.0).class_names == photo.class_names
    assert live.update(image, 0.0).class_names != photo.class_names, "a camera's frame has no time for all"
    for frame in range(1, 8):  # more than enough for all to have been looked at
        found = live.update(image, frame / 10)
    assert segmenter.config == before and found.class_names == photo.class_names
