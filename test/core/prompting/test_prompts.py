"""Prompts: what is asked for comes, at its place in the camera's image, whatever everything mode's thresholds say."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError, ModelError
from saom_core.everything import OnnxSegmenter
from saom_core.instances import Instances
from saom_core.letterbox import Letterbox
from saom_core.prompting.asking import Answers, Asking
from saom_core.prompting.prompts import MAX_PROMPTS, OPEN, POINTS_IN_BOX, Prompts, box_ious


@pytest.fixture(scope="module")
def segmenter() -> OnnxSegmenter:
    return OnnxSegmenter(SaomConfig(threads=1))


def table(height: int = 240, width: int = 320) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int, int, int]]]:
    """Three boxes on a table: RGB, depth in metres, and where the boxes are (xyxy)."""
    depth = np.repeat(np.linspace(1.4, 0.7, height, dtype=np.float32)[:, None], width, axis=1)
    image = np.full((height, width, 3), (170, 150, 120), np.uint8)
    boxes = []
    for k, colour in enumerate(((200, 40, 40), (40, 160, 60), (50, 60, 200))):
        top, left = height * (2 + k) // 7, width * (1 + 3 * k) // 10
        bottom, right = top + height // 4, left + width // 6
        image[top:bottom, left:right] = colour
        depth[top:bottom, left:right] = depth[bottom, left] - 0.1
        boxes.append((left, top, right, bottom))
    return cv2.GaussianBlur(image, (3, 3), 0), depth, boxes


def middle(box: tuple[int, int, int, int]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def iou_with(instances: Instances, k: int, box: tuple[int, int, int, int]) -> float:
    mask, true = instances.masks[k].dense(instances.size_hw), np.zeros(instances.size_hw, bool)
    true[box[1] : box[3], box[0] : box[2]] = True
    return float((mask & true).sum() / (mask | true).sum())


@pytest.mark.parametrize("size", [(240, 320), (200, 320), (320, 220)])
def test_the_object_at_a_point_comes_though_everything_mode_leaves_it_out(
    segmenter: OnnxSegmenter, size: tuple[int, int]
) -> None:
    image, depth, boxes = table(*size)
    before = segmenter.config
    try:
        segmenter.config = before.replace(score_threshold=1.0, stability_threshold=1.0, min_area_px=10_000)
        assert len(segmenter.segment(image, depth).instances) == 0
        found = segmenter.ask(image, Prompts(np.array([middle(box) for box in boxes])), depth)
    finally:
        segmenter.config = before
    assert sorted(found.prompts) == [0, 1, 2] and (np.diff(found.instances.scores) <= 0).all()
    for row, prompt in enumerate(found.prompts):
        assert iou_with(found.instances, row, boxes[prompt]) > 0.3
        np.testing.assert_allclose(found.instances.points_xy[row], middle(boxes[prompt]), atol=1e-3)
        assert found.instances.distances_m[row] > 0


def test_a_box_gives_the_object_in_it(segmenter: OnnxSegmenter) -> None:
    image, depth, boxes = table()
    camera = CameraIntrinsics(260, 260, 160, 120, 320, 240)
    found = segmenter.ask(image, Prompts(boxes_xyxy=np.array(boxes, float)), depth, camera)
    assert sorted(found.prompts) == [0, 1, 2] and set(found.timings_ms) == {"preprocess", "network", "postprocess"}
    for row, prompt in enumerate(found.prompts):
        assert iou_with(found.instances, row, boxes[prompt]) > 0.3
    assert found.instances.boxes3d is not None and np.isfinite(found.instances.boxes3d.centers_m).all()


def test_prompts_do_not_change_each_other(segmenter: OnnxSegmenter) -> None:
    image, depth, boxes = table()
    points = [middle(boxes[0]), middle(boxes[0]), (boxes[0][0] + 9.5, boxes[0][1] + 9.5), (2.5, 2.5)]
    together = segmenter.ask(image, Prompts(np.array(points), np.array(boxes[1:2], float)), depth)
    for k, point in enumerate(points):
        alone = segmenter.ask(image, Prompts(np.array([point])), depth)
        rows = [row for row, prompt in enumerate(together.prompts) if prompt == k]
        assert len(rows) == len(alone.instances)
        for row in rows:
            np.testing.assert_array_equal(together.instances.masks[row].crop, alone.instances.masks[0].crop)
            assert together.instances.scores[row] == alone.instances.scores[0]
    assert 4 in together.prompts  # the box


def test_prompts_are_asked_together(segmenter: OnnxSegmenter) -> None:
    """Four prompts on four objects take one run, and one more for each prompt on an object that has been answered."""
    image, depth, boxes = table()
    pauses: list[int] = []
    points = [*(middle(box) for box in boxes), (20.5, 20.5)]
    found = segmenter.ask(image, Prompts(np.array(points)), depth, between=lambda: pauses.append(1))
    assert sorted(found.prompts) == [0, 1, 2, 3] and not pauses
    for more in (1, 2):
        twice = [*points, *([(middle(boxes[0])[0] + 3 * k, middle(boxes[0])[1]) for k in range(1, more + 1)])]
        found = segmenter.ask(image, Prompts(np.array(twice)), depth, between=lambda: pauses.append(1))
        assert sorted(found.prompts) == list(range(4 + more)) and len(pauses) <= more
        pauses.clear()


@pytest.mark.parametrize("most", [1, 3, 4, 16, 24, 25, 1024])
def test_a_box_is_asked_at_no_more_points_than_a_file_takes(most: int) -> None:
    asked = Prompts(boxes_xyxy=np.array([[10.0, 20.0, 50.0, 40.0]])).asked_xy(0, most)
    assert len(asked) == max(n * n for n in range(1, POINTS_IN_BOX + 1) if n * n <= most)
    np.testing.assert_allclose(asked.mean(axis=0), (30, 30))
    assert ((asked > (10, 20)) & (asked < (50, 40))).all() and len(np.unique(asked, axis=0)) == len(asked)


def test_a_mask_without_a_pixel_is_refused() -> None:
    with pytest.raises(InputError, match=r"mask: expected one with the object's pixels set, got an empty one \(8, 9\)"):
        Prompts.from_flat([4, 4], mask=np.zeros((8, 9), np.bool_))


class FileOfBoxes:
    """Stands for a file: each point is answered by boxes, of which it keeps the best of those that agree."""

    def __init__(self, seed: int, several: int) -> None:
        rng = np.random.default_rng(seed)
        self.points = np.unique(rng.integers(0, 40, (60, 2)), axis=0).astype(np.float64)
        centers = rng.choice(self.points, 6) + 0.5
        nearest = np.linalg.norm(self.points[:, None] - centers, axis=2).argmin(axis=1)
        middles = np.repeat(centers[nearest][:, None], several, axis=1) + rng.normal(
            0, 0.5, (len(self.points), several, 2)
        )
        sizes = rng.uniform(8, 11, (len(self.points), several, 2)) * (1 + 0.5 * np.arange(several))[:, None]
        self.boxes = np.concatenate([middles - sizes, middles + sizes], axis=2)
        self.scores = rng.permutation(len(self.points) * several).reshape(-1, several).astype(np.float32) + 1
        self.runs = 0

    def answer(self, points_in: np.ndarray) -> Answers:
        self.runs += 1
        asked = [int(np.flatnonzero((self.points == point).all(axis=1))[0]) for point in points_in]
        rows = [(k, m) for k in dict.fromkeys(asked) for m in range(self.scores.shape[1])]
        kept: list[tuple[int, int]] = []
        for row in sorted(rows, key=lambda row: -self.scores[row]):
            if not kept or (box_ious(self.boxes[row], np.array([self.boxes[k] for k in kept])) <= 0.8003).all():
                kept.append(row)
        return Answers(
            np.array([self.points[k] for k, _ in kept], np.float32),
            np.array([self.boxes[row] for row in kept]),
            np.array([self.scores[row] for row in kept], np.float32),
        )


@pytest.mark.parametrize("several", [1, 3])
@pytest.mark.parametrize("seed", range(8))
def test_asked_together_each_prompt_gets_what_it_gets_alone(seed: int, several: int) -> None:
    file = FileOfBoxes(seed, several)
    rng = np.random.default_rng(seed)
    points = file.points[rng.choice(len(file.points), 12)]

    def asked(prompts: Prompts) -> dict[int, tuple[float, ...]]:
        inside = [
            np.flatnonzero(((file.points >= b[:2]) & (file.points <= b[2:])).all(axis=1)) for b in prompts.boxes_xyxy
        ]
        points_in = [p[None].astype(np.float32) for p in prompts.points_xy]
        points_in += [file.points[rows].astype(np.float32) for rows in inside]
        answers: list[Answers] = []

        def run(points: np.ndarray) -> Answers:
            answers.append(file.answer(points))
            return answers[-1]

        rows = Asking(prompts, points_in, run, 1024, several=several > 1).rows()
        return {
            k: (*a.boxes_xyxy[row], a.scores[row]) for a, of in zip(answers, rows, strict=True) for k, row in of.items()
        }

    boxes = file.boxes[rng.choice(len(file.points), 4), 0]
    together = asked(Prompts(points, boxes))
    runs, file.runs = file.runs, 0
    alone = [asked(Prompts(points[k : k + 1]))[0] for k in range(12)]
    alone += [asked(Prompts(boxes_xyxy=boxes[k : k + 1]))[0] for k in range(4)]
    assert together == dict(enumerate(alone)) and runs <= (11 if several == 1 else 16)


def test_what_wins_against_a_naive_search(segmenter: OnnxSegmenter) -> None:
    image, depth, boxes = table(200, 320)
    prompts = Prompts(np.array([middle(boxes[2])]), np.array([boxes[1]], float))
    letterbox = Letterbox.fit((200, 320), segmenter.info.input_size_hw)
    scale = segmenter.info.input_size_hw[1] / 320  # the width fills the input
    for k in range(2):
        left, top, right, bottom = boxes[1]
        n = POINTS_IN_BOX
        asked = [
            (left + (i + 0.5) / n * (right - left), top + (j + 0.5) / n * (bottom - top))
            for j in range(n)
            for i in range(n)
        ]
        asked = asked if k else [middle(boxes[2])]
        outputs = segmenter.model.run(
            letterbox.image(image),
            letterbox.depth(depth),
            OPEN,
            np.resize(np.array(asked) * scale, (segmenter.info.prompt_count, 2)).astype(np.float32),
        )
        best, winner = 0.0, -1
        for row in np.flatnonzero(outputs["scores"]).tolist():
            x0, y0, x1, y1 = (outputs["boxes"][row] / scale).tolist()
            shared = max(0, min(x1, right) - max(x0, left)) * max(0, min(y1, bottom) - max(y0, top))
            union = (x1 - x0) * (y1 - y0) + (right - left) * (bottom - top) - shared
            merit = outputs["scores"][row] * (shared / union if k else 1)
            if merit > best:
                best, winner = merit, row
        only = Prompts(prompts.points_xy[:1]) if k == 0 else Prompts(boxes_xyxy=prompts.boxes_xyxy)
        found = segmenter.ask(image, only, depth).instances
        assert found.scores.tolist() == [outputs["scores"][winner]]
        np.testing.assert_allclose(found.points_xy[0] * scale, outputs["points"][winner], atol=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (3, 1000), (50, 7)])
def test_points_in_pictures_of_any_shape(segmenter: OnnxSegmenter, size: tuple[int, int]) -> None:
    height, width = size
    image = np.full((height, width, 3), 90, np.uint8)
    corners = np.array([[0.0, 0.0], [width - 0.01, height - 0.01]])
    found = segmenter.ask(image, Prompts(corners, np.array([[0.0, 0.0, width, height]])))
    assert found.instances.size_hw == size and set(found.prompts) <= {0, 1, 2}
    assert len(found.prompts) == len(found.instances)


def test_no_prompts_no_objects(segmenter: OnnxSegmenter) -> None:
    found = segmenter.ask(table()[0], Prompts())
    assert len(found.instances) == 0 and found.prompts == ()


@pytest.mark.parametrize(
    ("points", "boxes", "reason"),
    [
        ([320.0, 5.0], [], "inside the 320x240 image, got 320 5"),
        ([5.0, 240.0], [], "inside the 320x240 image"),
        ([-0.1, 5.0], [], "points_xy"),
        ([float("nan"), 5.0], [], "got nan 5"),
        ([float("inf"), 5.0], [], "points_xy"),
        ([], [0, 0, 321, 10], "boxes_xyxy"),
        ([], [10, 10, 10, 20], "x0 < x1"),
        ([], [20, 10, 10, 20], "x0 < x1"),
        ([], [0, 0, float("nan"), 5], "boxes_xyxy"),
    ],
)
def test_what_is_not_in_the_image_is_refused(
    segmenter: OnnxSegmenter, points: list[float], boxes: list[float], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        segmenter.ask(table()[0], Prompts.from_flat(points, boxes))


def test_numbers_that_are_left_over_and_too_many_prompts_are_refused() -> None:
    with pytest.raises(InputError, match="got 3 in all"):
        Prompts.from_flat([1, 2, 3])
    with pytest.raises(InputError, match="boxes_xyxy: expected 4 numbers"):
        Prompts.from_flat([], [1, 2, 3])
    with pytest.raises(InputError, match="at most 100"):
        Prompts.from_flat(np.ones(2 * MAX_PROMPTS), np.ones(4))
    assert len(Prompts.from_flat(np.ones(2 * MAX_PROMPTS))) == MAX_PROMPTS


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"points_xy": [9, 9], "negative_points_xy": [3, 3]}, "points and negative points"),
        ({"points_xy": [9, 9, 5, 5], "one_object": True}, "points"),
        ({"boxes_xyxy": [1, 1, 9, 9], "one_object": True}, "boxes"),
        ({"mask": np.ones((240, 320), np.bool_)}, "a mask"),
    ],
)
def test_a_file_says_that_it_cannot_be_asked_for_one_object_by_several_prompts(
    segmenter: OnnxSegmenter, given: dict, words: str
) -> None:
    with pytest.raises(InputError, match=f"saom-tiny: expected points and boxes.*got one object asked for by {words}:"):
        segmenter.ask(table()[0], Prompts.from_flat(**given))


def test_prompts_of_one_object() -> None:
    both = Prompts.from_flat([1, 2, 3, 4], [0, 0, 9, 9], one_object=True)
    assert len(both) == 1 and both.each()[0].kinds() == ["points", "boxes"]
    apart = Prompts.from_flat([1, 2, 3, 4], [0, 0, 9, 9])
    assert [one.kinds() for one in apart.each()] == [["points"], ["points"], ["boxes"]]
    assert len(Prompts.from_flat([1, 2], negative_points_xy=[3, 4])) == 1
    with pytest.raises(InputError, match="at most one box of one object, got 2"):
        Prompts.from_flat([1, 2], [0, 0, 9, 9, 0, 0, 8, 8], [3, 4])
    with pytest.raises(InputError, match="got none of them"):
        Prompts.from_flat(one_object=True)
    with pytest.raises(InputError, match="negative_points_xy: expected points inside the 320x240"):
        Prompts.from_flat([1, 2], negative_points_xy=[320, 4]).check((240, 320))
    with pytest.raises(InputError, match=r"mask: expected one of shape \(H, W\) bool"):
        Prompts.from_flat(mask=np.ones((3, 3)))


def test_a_model_that_answers_its_grid_only_says_so(segmenter: OnnxSegmenter) -> None:
    grid_only = OnnxSegmenter(SaomConfig(), segmenter.model)
    grid_only.info = dataclasses.replace(segmenter.info, prompt_count=0)
    with pytest.raises(ModelError, match="export it anew"):
        grid_only.ask(table()[0], Prompts(np.ones((1, 2))))


def test_box_ious_against_pixels() -> None:
    rng = np.random.default_rng(0)
    boxes = rng.integers(0, 15, (20, 4))
    boxes[:, 2:] = boxes[:, :2] + rng.integers(1, 8, (20, 2))
    dense = np.zeros((20, 25, 25), bool)
    for mask, (left, top, right, bottom) in zip(dense, boxes, strict=True):
        mask[top:bottom, left:right] = True
    expected = [(dense[0] & other).sum() / (dense[0] | other).sum() for other in dense]
    np.testing.assert_allclose(box_ious(boxes[0].astype(float), boxes.astype(float)), expected)
    assert box_ious(np.ones(4), np.zeros((0, 4))).shape == (0,)
