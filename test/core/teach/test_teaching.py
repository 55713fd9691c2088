"""Teaching: views and prompts of an example, the prototype and its threshold against loops, and what is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from saom_cli import teach
from saom_cli.main import main
from saom_cli.teach import check_name
from saom_core.config import SaomConfig
from saom_core.errors import InputError, ModelError
from saom_core.everything import OnnxSegmenter
from saom_core.model_file.metadata import with_entry
from saom_core.model_file.reference import REFERENCE_KEY, ReferenceObjects
from saom_core.model_file.taught import TaughtClass, normalised
from saom_core.naming.track_looks import NamedStream
from saom_core.pictures.photos import read_photo
from saom_core.places.depth_files import read_depth
from saom_core.runtime import BUNDLED_MODEL, OnnxModel
from saom_core.teach.examples import Example, Sight, answers, look, objects_under, points_inside, views
from saom_core.teach.files import find_pictures, read_example, write
from saom_core.teach.teaching import PASSED, STRANGE, OtherObjects, TeachingError, agreements, learn

SIZE = 8
DEMO = Path(__file__).resolve().parents[3] / "demo"
NOTEBOOK_YX = 310, 200
"""A pixel of the notebook in the second picture of the demo."""
SEQUENCE = Path(__file__).resolve().parents[3] / "test" / "sequence"


def around(rng: np.random.Generator, center: np.ndarray, count: int, spread: float) -> np.ndarray:
    return normalised(center + rng.normal(0, spread, (count, SIZE)))


def examples(rng: np.random.Generator, center: np.ndarray, count: int = 4, spread: float = 0.1) -> list[Sight]:
    nothing = np.zeros((0, SIZE), np.float32)
    return [Sight(f"{k}.png", around(rng, center, 3 + k, spread), nothing, 0.9) for k in range(count)]


def others(rng: np.random.Generator, count: int = 200) -> OtherObjects:
    names = tuple(f"a class_{k % 7}" for k in range(count))
    return OtherObjects(normalised(rng.normal(size=(count, SIZE))), names, rng.random(count) < 0.2)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(sum(x * y for x, y in zip(a, b, strict=True)) / (sum(a * a) ** 0.5 * sum(b * b) ** 0.5))


def test_prototype_and_threshold_against_loops() -> None:
    rng = np.random.default_rng(0)
    center = np.eye(SIZE, dtype=np.float32)[0]
    sights, rest = examples(rng, center), others(rng)
    one = learn("mug_blue", sights, rest)
    by_looks = learn("mug_blue", sights, rest, "ab" * 32)
    means = []
    for sight in sights:
        mean = sum(sight.own) / len(sight.own)
        means.append(mean / sum(mean * mean) ** 0.5)
    assert cosine(one.prototype, sum(means)) == pytest.approx(1, abs=1e-6)
    assert sum(one.prototype**2) == pytest.approx(1, abs=1e-5)
    agreement = []
    for k, sight in enumerate(sights):
        rest_of_them = sum(means[j] for j in range(4) if j != k)
        agreement.append(np.mean([cosine(view, rest_of_them) for view in sight.own]))
    reached = [cosine(other, one.prototype) for other in rest.described]
    seen = max(value for value, is_seen in zip(reached, rest.seen, strict=True) if is_seen)
    reference = sorted(value for value, is_seen in zip(reached, rest.seen, strict=True) if not is_seen)
    place = PASSED * (len(reference) - 1)
    between = reference[int(place)] + (place - int(place)) * (reference[int(place) + 1] - reference[int(place)])
    assert one.threshold == pytest.approx(0.75 * np.median(agreement) + 0.25 * max(seen, between), abs=1e-5)
    assert by_looks.threshold == pytest.approx(0.5 * np.median(agreement) + 0.5 * max(seen, between), abs=1e-5)
    assert one.name == "mug_blue" and one.record["examples"] == [f"{k}.png" for k in range(4)]


def test_agreements_against_a_loop() -> None:
    rng = np.random.default_rng(1)
    sights, rest = examples(rng, np.ones(SIZE, np.float32), spread=1.5), others(rng, 60)
    cosines, strange = agreements(sights, rest)
    for k, sight in enumerate(sights):
        means = [normalised(other.own.mean(0)) for j, other in enumerate(sights) if j != k]
        mean = sum(means)
        assert cosines[k] == pytest.approx(np.mean([cosine(view, mean) for view in sight.own]), abs=1e-5)
        below = sum(cosine(other, mean) < cosines[k] for other in rest.described)
        assert strange[k] == (below / 60 < STRANGE)


def test_an_example_of_something_else_is_named() -> None:
    rng = np.random.default_rng(2)
    center = np.eye(SIZE, dtype=np.float32)[0]
    wrong = Sight("wrong.png", around(rng, -center, 4, 0.1), np.zeros((0, SIZE), np.float32), 0.9)
    with pytest.raises(TeachingError, match=r"less like the rest.*wrong\.png") as caught:
        learn("mug_blue", [*examples(rng, center), wrong], others(rng))
    assert "0.png" not in str(caught.value)


def test_a_class_that_others_pass_for_is_refused() -> None:
    rng = np.random.default_rng(3)
    center = np.eye(SIZE, dtype=np.float32)[0]
    rest = others(rng)
    double = OtherObjects(around(rng, center, 3, 0.01), ("a Mug",) * 3, np.ones(3, np.bool_))
    with pytest.raises(TeachingError, match=r"cannot tell them apart") as caught:
        learn("mug_blue", examples(rng, center, spread=0.2), OtherObjects.join([rest, double]))
    assert "a Mug" in str(caught.value)


def test_too_few_examples_or_others() -> None:
    rng = np.random.default_rng(4)
    center = np.eye(SIZE, dtype=np.float32)[0]
    with pytest.raises(TeachingError, match="at least 3 examples"):
        learn("mug_blue", examples(rng, center, 2), others(rng))
    with pytest.raises(TeachingError, match="--others"):
        learn("mug_blue", examples(rng, center), others(rng, 4))
    nothing = OtherObjects.join([])
    with pytest.raises(TeachingError, match="got 0"):
        learn("mug_blue", examples(rng, center), nothing)


def test_taught_classes_are_told_from_each_other() -> None:
    rng = np.random.default_rng(5)
    center = np.eye(SIZE, dtype=np.float32)[0]
    first = learn("mug_blue", examples(rng, center), others(rng))
    with pytest.raises(TeachingError, match="the taught mug_blue"):
        rest = OtherObjects.join([others(rng), OtherObjects.taught([first]), OtherObjects.taught([])])
        learn("mug_azure", examples(rng, center), rest)


def test_reference_objects_come_back_in_direction() -> None:
    rng = np.random.default_rng(6)
    made = ReferenceObjects(normalised(np.abs(rng.normal(size=(30, 256)))), tuple(f"c{k}" for k in range(30)))
    back = ReferenceObjects.from_json(made.to_json(), 256)
    assert back.class_names == made.class_names
    assert ((back.described * made.described).sum(1) > 0.9999).all()
    others = OtherObjects.trained(back)
    assert others.names[3] == "a c3" and not others.seen.any()
    for broken in ("", "{}", ReferenceObjects(made.described, ("too", "few")).to_json()):
        with pytest.raises(ModelError, match="damaged"):
            ReferenceObjects.from_json(broken, 256)
    with pytest.raises(ModelError, match="damaged"):
        ReferenceObjects.from_json(made.to_json(), 255)


def test_descriptors_of_several_sizes_are_refused() -> None:
    parts = [OtherObjects(np.ones((1, size), np.float32), ("a",), np.ones(1, np.bool_)) for size in (3, 4)]
    with pytest.raises(ModelError, match="one size"):
        OtherObjects.join(parts)


@pytest.mark.parametrize("box", [(50, 20, 60, 40), (0, 0, 1, 1), (99, 79, 100, 80), (0, 0, 100, 80), (40, 0, 41, 80)])
def test_views_hold_the_object_and_stay_in_the_picture(box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    mask = np.zeros((80, 100), np.bool_)
    mask[top:bottom, left:right] = True
    all_views = list(views(mask))
    assert len(all_views) == (4 if bottom - top == 80 else 8)
    for view in all_views:
        seen = view.of(mask)
        assert seen.any() and seen.sum() <= mask.sum()
        height, width = seen.shape
        assert abs(height / 80 - width / 100) < 0.02  # the picture's own shape
        if max(bottom - top, right - left) < 40 and min(left, top) > 10:
            assert seen.sum() == mask.sum()
    whole, mirrored = all_views[0].of(mask), all_views[1].of(mask)
    np.testing.assert_array_equal(whole[:, ::-1], mirrored)


def test_points_lie_inside_and_away_from_the_edge() -> None:
    rows, columns = np.indices((60, 80))
    distance = np.hypot(rows - 30, columns - 40)
    for mask in (distance < 20, (distance > 10) & (distance < 24), distance < 0.5, np.ones((60, 80), np.bool_)):
        points = points_inside(mask)
        assert 1 <= len(points) <= 16
        x, y = points.T
        assert mask[y.astype(int), x.astype(int)].all()
    disc = points_inside(distance < 20)
    assert np.hypot(disc[:, 1] - 30.5, disc[:, 0] - 40.5).max() < 11


def picture(path: Path, channels: int = 3) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, channels), np.uint8)
    if channels == 4:
        pixels[..., 3] = 0
        pixels[5:15, 8:20, 3] = 255
    cv2.imwrite(str(path), pixels)
    return pixels


def test_files_beside_a_picture_are_its_mask_and_depth(tmp_path: Path) -> None:
    pixels = picture(tmp_path / "x.png")
    mask = np.zeros((20, 30), np.uint8)
    mask[2:9, 3:7] = 1
    cv2.imwrite(str(tmp_path / "x_mask.png"), mask)
    cv2.imwrite(str(tmp_path / "x_depth.png"), np.full((20, 30), 1500, np.uint16))
    picture(tmp_path / "y.jpg")
    assert [path.name for path in find_pictures([tmp_path])] == ["x.png", "y.jpg"]
    x, y = (read_example(path) for path in find_pictures([tmp_path]))
    np.testing.assert_array_equal(x.image_rgb, pixels[..., ::-1])
    np.testing.assert_array_equal(x.mask, mask > 0)
    assert x.depth_m is not None and x.depth_m.max() == x.depth_m.min() == 1.5
    assert y.mask is None and y.depth_m is None


def test_alpha_is_the_mask_and_what_is_cut_out_is_grey(tmp_path: Path) -> None:
    pixels = picture(tmp_path / "x.png", channels=4)
    example = read_example(tmp_path / "x.png")
    assert example.mask is not None and example.mask.sum() == 120 and example.mask[5, 8]
    np.testing.assert_array_equal(example.image_rgb[5:15, 8:20], pixels[5:15, 8:20, 2::-1])
    assert (example.image_rgb[~example.mask] == 114).all()
    pixels[..., 3] = 255
    cv2.imwrite(str(tmp_path / "opaque.png"), pixels)
    assert read_example(tmp_path / "opaque.png").mask is None


def test_mask_pictures_with_colours_or_alpha_are_read(tmp_path: Path) -> None:
    picture(tmp_path / "x.png")
    mask = np.zeros((20, 30, 4), np.uint8)
    mask[..., 3] = 255  # opaque everywhere: says nothing
    mask[4, 6, 1] = 200
    for channels in (3, 4):
        cv2.imwrite(str(tmp_path / "x_mask.png"), mask[..., :channels])
        found = read_example(tmp_path / "x.png").mask
        assert found is not None and found.sum() == 1 and found[4, 6]
    (tmp_path / "x_mask.png").write_text("no picture")
    with pytest.raises(InputError, match="expected a mask"):
        read_example(tmp_path / "x.png")


@pytest.mark.parametrize("name", ["x_mask.jpg", "x_mask.PNG", "x_mask.bmp"])
def test_a_mask_of_any_format_is_the_mask(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "x.png")
    mask = np.zeros((20, 30), np.uint8)
    mask[4:16, 8:24] = 255
    cv2.imwrite(str(tmp_path / name), mask)
    assert find_pictures([tmp_path]) == [tmp_path / "x.png"]
    found = read_example(tmp_path / "x.png").mask
    assert found is not None and np.array_equal(found, mask > 0)


@pytest.mark.parametrize("names", [["x_mask.png", "x_mask.jpg"], ["x_mask.txt"], ["x_depth.png", "x_depth.npy"]])
def test_masks_and_depths_that_would_be_passed_over_are_told(tmp_path: Path, names: list[str]) -> None:
    """Without its mask another object of the picture would be taught."""
    picture(tmp_path / "x.png")
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="expected one file x_"):
        read_example(tmp_path / "x.png")


@pytest.mark.parametrize("bad", ["", " mug", "mug\n", "Mug", "mug", "Mug_Blue"])
def test_names_that_are_taken_or_no_text(bad: str) -> None:
    with pytest.raises(InputError, match="expected"):
        check_name(bad, ["Mug", "Other", "mug_blue"], ["mug_blue"])


@pytest.mark.parametrize("good", ["mug_blue", "mug red", "Tasse größer"])
def test_new_names_and_those_taught_before(good: str) -> None:
    check_name(good, ["Mug", "Other", "mug_blue"], ["mug_blue"])


def test_the_bundled_model_keeps_reference_objects() -> None:
    model = OnnxModel(provider="cpu", threads=1)
    reference = model.info.reference
    assert reference is not None
    _, described = answers(model, *boxes_on_a_table())
    assert reference.described.shape[1] == described.shape[1]  # as `saom teach` compares them
    assert set(reference.class_names) <= set(model.info.class_names)
    assert len(reference.class_names) >= 500


def test_a_file_with_damaged_reference_objects_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(with_entry(BUNDLED_MODEL.read_bytes(), REFERENCE_KEY, "{}"))
    with pytest.raises(ModelError, match=r"model\.onnx: expected the reference objects .* damaged"):
        OnnxModel(str(file), "cpu", 1)


def boxes_on_a_table() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    depth = np.repeat(np.linspace(1.4, 0.7, 480, dtype=np.float32)[:, None], 640, axis=1)
    image = np.full((480, 640, 3), (170, 150, 120), np.uint8)
    for k in range(6):
        top, left = 96 + 144 * (k // 3), 64 + 192 * (k % 3)
        window = np.s_[top : top + 96, left : left + 91]
        image[window], depth[window] = rng.integers(0, 255, 3), depth[window].min() - 0.15
    return image, depth


def box_of(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_a_mask_over_two_things_is_told_from_a_thing_with_parts() -> None:
    mug, box, far = box_of(10, 10, 30, 30), box_of(10, 30, 30, 55), box_of(40, 60, 50, 70)
    label, both = box_of(15, 12, 25, 22), box_of(10, 10, 30, 55)
    assert objects_under(mug, [mug, box, far]) == 1
    assert objects_under(mug, [mug, label, box]) == 1, "a label is a part of its mug"
    assert objects_under(both, [mug, box, far]) == objects_under(both, [far, label, box, mug]) == 2
    assert objects_under(both, [both, mug, box]) == 1, "the model sees one thing there, too"
    assert objects_under(mug, []) == objects_under(mug, [far, both]) == 0
    assert objects_under(box_of(10, 10, 30, 42), [mug, box]) == 1, "half of a neighbour is an inexact mask"


def test_a_mask_over_two_things_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model sees two boxes where the mask has both."""
    picture(tmp_path / "one.png")
    picture(tmp_path / "two.png")
    unit = np.eye(4, dtype=np.float32)[:1]
    seen = [Sight("one.png", unit, unit[:0], 0.9), Sight("two.png", unit, unit[:0], 0.6, covered=2)]
    monkeypatch.setattr(teach, "look", lambda model, example, describe: seen[example.name.endswith("two.png")])
    assert main(["teach", "my mug", str(tmp_path), "-o", str(tmp_path / "a.onnx"), "--threads", "1"]) == 1, "too few"
    said = capsys.readouterr()
    warned = [line for line in said.err.splitlines() if "warning" in line]
    assert len(warned) == 1 and "two.png" in warned[0] and "over 2 things" in warned[0]


@pytest.mark.slow
def test_the_bundled_model_names_what_it_was_taught_and_nothing_else_changes(tmp_path: Path) -> None:
    image, depth = boxes_on_a_table()
    bundled = OnnxSegmenter(SaomConfig(threads=1))
    masks, described = answers(bundled.model, image, depth)
    assert len(masks) >= 2
    sight = look(bundled.model, Example("x.png", image, masks[0], depth))
    assert sight.iou >= 0.5 and len(sight.own) >= 4
    unit = normalised(described)
    nearest = float((unit[1:] @ unit[0]).max())
    write(BUNDLED_MODEL, tmp_path / "mine.onnx", [TaughtClass("box_0", unit[0], (1 + nearest) / 2, {})])
    mine = OnnxSegmenter(SaomConfig(model=str(tmp_path / "mine.onnx"), threads=1))
    assert mine.info.class_names == (*bundled.info.class_names, "box_0")
    before, after = (one.segment(image, depth).instances for one in (bundled, mine))
    assert after.class_names[0] == "box_0" and after.class_ids[0] == len(bundled.info.class_names)
    assert after.class_names[1:] == before.class_names[1:]
    for name in ("class_ids", "class_scores", "scores", "boxes_xyxy"):
        assert getattr(after, name)[1:].tobytes() == getattr(before, name)[1:].tobytes()
    assert [mask.crop.tobytes() for mask in after.masks] == [mask.crop.tobytes() for mask in before.masks]


@pytest.mark.slow
def test_the_command_takes_views_of_one_object_and_refuses_several_objects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the demo's camera: one object of five pictures, five objects of one picture."""
    segmenter = OnnxSegmenter(SaomConfig(threads=1))
    followed: np.ndarray | None = None
    for number in range(5):
        image = read_photo(SEQUENCE / f"image_{number:03d}.jpg")
        depth = read_depth(SEQUENCE / f"depth_{number:03d}.png")
        masks = segmenter.segment(image, depth).instances.dense_masks()
        if followed is None:
            followed = masks[0]
            for k in range(5):
                write_example(tmp_path / "several" / f"{k}.png", number, masks[k])
        followed = max(masks, key=lambda mask: float((mask & followed).sum() / (mask | followed).sum()))
        write_example(tmp_path / "one" / f"{number}.png", number, followed)
    assert main(["teach", "thing", str(tmp_path / "one"), "-o", str(tmp_path / "a.onnx"), "--threads", "1"]) == 0
    assert "5 examples agree" in capsys.readouterr().out
    assert main(["teach", "thing", str(tmp_path / "several"), "-o", str(tmp_path / "b.onnx"), "--threads", "1"]) == 1
    said = capsys.readouterr().err
    assert "expected examples of one kind of object" in said
    assert len(re.findall(r"several/\d\.png \(cosine", said)) > 2
    assert (tmp_path / "a.onnx").exists() and not (tmp_path / "b.onnx").exists()


@pytest.mark.slow
@pytest.mark.parametrize("taught_with_depth", [True, False])
def test_what_was_taught_without_depth_is_known_with_depth_and_the_other_way_round(
    tmp_path: Path, taught_with_depth: bool
) -> None:
    """The demo's notebook, in a picture and in a stream, by its looks."""
    for picture in sorted((DEMO / "notebook").glob("view_?.jpg")):
        for end in (".jpg", "_mask.png", "_depth.png")[: 3 if taught_with_depth else 2]:
            shutil.copy(picture.with_name(picture.stem + end), tmp_path)
    file = str(tmp_path / "a.onnx")
    assert main(["teach", "Notebook", str(tmp_path), "-o", file, "--threads", "1"]) == 0
    assert OnnxModel(file, "cpu", 1).info.taught[0].record["made_of"] == "looks"
    segmenter = OnnxSegmenter(SaomConfig(model=file, threads=1))
    image, depth = (DEMO / "sequence" / name for name in ("image_001.jpg", "depth_001.png"))
    for given in (read_depth(depth), None):
        for found in (
            segmenter.segment(read_photo(image), given).instances,
            NamedStream(segmenter).update(read_photo(image), 0.0, given),
        ):
            there = [k for k, mask in enumerate(found.dense_masks()) if mask[NOTEBOOK_YX]]
            smallest = min(there, key=lambda k: found.masks[k].area)
            assert found.class_names[smallest] == "Notebook"
            assert found.class_names.count("Notebook") <= 2 < len(found) - 2


def write_example(path: Path, number: int, mask: np.ndarray) -> None:
    """A picture of the demo with the mask of an object."""
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), cv2.imread(str(SEQUENCE / f"image_{number:03d}.jpg")))
    cv2.imwrite(str(path.with_name(f"{path.stem}_mask.png")), mask.astype(np.uint8) * 255)
    shutil.copy(SEQUENCE / f"depth_{number:03d}.png", path.with_name(f"{path.stem}_depth.png"))
