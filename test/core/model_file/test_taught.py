"""Taught classes: the decision against a loop, storing, and what is refused."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest

from saom_core.errors import ModelError
from saom_core.model_file.taught import TaughtClass, descriptor_size, descriptors, from_json, match, normalised, to_json

SHA = "ab" * 32


def taught(rng: np.random.Generator, count: int, size: int = 6) -> list[TaughtClass]:
    prototypes = normalised(rng.normal(size=(count, size)))
    return [TaughtClass(f"class_{k}", prototypes[k], float(rng.uniform(0.2, 0.7)), {"k": k}) for k in range(count)]


def test_descriptors_against_a_loop() -> None:
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, (24, 32, 3), np.uint8)
    masks, embeddings = rng.normal(size=(5, 6, 8)), rng.normal(size=(5, 7)) * 9
    masks[3], masks[4] = -1, -1
    masks[4, 2, 3] = 0.1  # one pixel; and none at all in row 3
    found = descriptors(image, masks.astype(np.float32), embeddings.astype(np.float32))
    assert found.shape == (5, descriptor_size(7)) and found.dtype == np.float32
    for k in range(5):
        colours = []
        for y, x in np.argwhere(masks[k] > 0):
            mean_rgb = image[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].reshape(16, 3).mean(0)
            colours.append(
                cv2.cvtColor(np.rint(mean_rgb).astype(np.float32)[None, None] / 255, cv2.COLOR_RGB2LAB)[0, 0]
            )
        lightness, a, b = np.mean(colours, 0) if colours else np.zeros(3)
        length = sum(value**2 for value in embeddings[k]) ** 0.5
        colour = np.array([0.01 * (lightness - 50), 0.04 * a, 0.04 * b])
        strength = sum(colour**2) ** 0.5
        expected = [*embeddings[k] / length, *(colour / strength * np.tanh(strength))]
        np.testing.assert_allclose(found[k], np.array(expected) / np.linalg.norm(expected), atol=0.01)


def test_a_blue_mug_is_not_a_red_one_but_one_in_the_shade() -> None:
    image = np.zeros((8, 24, 3), np.uint8)
    image[:, :8], image[:, 8:16], image[:, 16:] = (40, 60, 180), (28, 42, 126), (180, 50, 40)
    masks = np.full((3, 4, 12), -1, np.float32)
    for k in range(3):
        masks[k, :, 4 * k : 4 * k + 4] = 1
    blue, shade, red = descriptors(image, masks, np.ones((3, 16), np.float32))
    assert blue @ shade > 0.95 and 0 < blue @ red < 0.6


def test_no_instances_no_descriptors() -> None:
    none = descriptors(np.zeros((8, 8, 3), np.uint8), np.zeros((0, 2, 2), np.float32), np.zeros((0, 5), np.float32))
    assert none.shape == (0, descriptor_size(5))


def test_match_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    some = kept = 0
    for count, rows in ((1, 5), (3, 40), (4, 1)):
        classes = taught(rng, count)
        embeddings = rng.normal(size=(rows, 6)).astype(np.float32)
        reference = normalised(rng.normal(size=(2, 6)))
        without, _ = match(embeddings, classes)
        matched, similarity = match(embeddings, classes, reference)
        kept += int((without != matched).sum())
        for k in range(rows):
            best, best_cosine = -1, 0.0
            length = sum(float(x) ** 2 for x in embeddings[k]) ** 0.5
            trained = max(
                sum(float(x) * float(r) for x, r in zip(embeddings[k], one, strict=True)) for one in reference
            )
            for row, one in enumerate(classes):
                cosine = sum(float(x) * float(p) for x, p in zip(embeddings[k], one.prototype, strict=True)) / length
                if cosine >= max(one.threshold, trained / length) and (best < 0 or cosine > best_cosine):
                    best, best_cosine = row, cosine
            assert matched[k] == best
            assert similarity[k] == pytest.approx(best_cosine, abs=1e-5)
            some += best >= 0
    assert 5 < some < 40 and kept > 2  # all answers were tried, those that only a reference object makes too


def test_the_nearer_class_does_not_count_below_its_own_threshold() -> None:
    near = TaughtClass("near", np.array([1, 0], np.float32), 0.99, {})
    far = TaughtClass("far", np.array([0, 1], np.float32), 0.1, {})
    matched, similarity = match(np.array([[2.0, 1.0]], np.float32), [near, far])
    assert matched[0] == 1 and similarity[0] == pytest.approx(1 / 5**0.5)


def test_nothing_to_match() -> None:
    classes = taught(np.random.default_rng(1), 2)
    for embeddings, known in ((np.zeros((0, 6), np.float32), classes), (np.ones((3, 6), np.float32), [])):
        matched, similarity = match(embeddings, known)
        assert matched.dtype == np.int32 and similarity.dtype == np.float32
        assert matched.tolist() == [-1] * len(embeddings) and not similarity.any()
    assert match(np.zeros((1, 6), np.float32), classes)[0].tolist() == [-1]  # a zero embedding is like nothing


def test_stored_classes_come_back_bit_for_bit() -> None:
    classes = taught(np.random.default_rng(2), 3)
    again = from_json(to_json(classes, SHA), SHA, 6)
    for one, two in zip(classes, again, strict=True):
        assert (one.name, one.threshold, one.record) == (two.name, two.threshold, two.record)
        assert one.prototype.tobytes() == two.prototype.tobytes() and two.prototype.dtype == np.float32


def test_prototypes_of_looks_have_a_size_of_their_own_and_newer_formats_are_refused() -> None:
    rng = np.random.default_rng(5)
    looks = dataclasses.replace(taught(rng, 1, 9)[0], looks_sha256="ef" * 32)
    text = to_json([*taught(rng, 1), looks], SHA)
    again = from_json(text, SHA, 6)
    assert [one.looks_sha256 for one in again] == ["", "ef" * 32] and again[1].prototype.shape == (9,)
    entry = json.loads(text)
    older = {key: value for key, value in entry.items() if key != "format"}
    assert len(from_json(json.dumps(older), SHA, 6)) == 2, "format 1 had no number"
    with pytest.raises(ModelError, match="looks of things alone .format 3., got older ones: teach the classes anew"):
        from_json(json.dumps({**entry, "format": 2}), SHA, 6)
    by_embedding = json.loads(to_json(taught(rng, 1), SHA))
    assert len(from_json(json.dumps({**by_embedding, "format": 2}), SHA, 6)) == 1
    with pytest.raises(ModelError, match="format 3 or older, got 4: install a newer saom"):
        from_json(json.dumps({**entry, "format": 4}), SHA, 6)
    with pytest.raises(ModelError, match="expected the output embeddings"):
        from_json(text, SHA, 0)


def test_of_another_model_or_damaged() -> None:
    text = to_json(taught(np.random.default_rng(3), 2), SHA)
    with pytest.raises(ModelError, match="changed or damaged"):
        from_json(text, "cd" * 32, 6)
    with pytest.raises(ModelError, match="size 7"):
        from_json(text, SHA, 7)
    entry = json.loads(text)
    entry["classes"][0]["threshold"] += 1e-9
    for broken in (json.dumps(entry), text[:-3], "{}", "[]", "no json"):
        with pytest.raises(ModelError, match="damaged"):
            from_json(broken, SHA, 6)
