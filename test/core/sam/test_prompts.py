"""Prompts put to a checkpoint of the SAM family, against segment-anything's own predictor."""

from __future__ import annotations

import copy
import threading
from pathlib import Path

import numpy as np
import pytest
from sam_scenes import one_thread, photo  # noqa: F401

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything")

from segment_anything import SamPredictor  # noqa: E402

from saom_core.config import SaomConfig  # noqa: E402
from saom_core.errors import InputError  # noqa: E402
from saom_core.instances import Instances  # noqa: E402
from saom_core.loading import load_segmenter  # noqa: E402
from saom_core.naming.photo_names import PhotoNames  # noqa: E402
from saom_core.prompting.prompts import ObjectPrompt, Prompts  # noqa: E402
from saom_core.sam.asking import MASK_LOGIT, AskedImage  # noqa: E402
from saom_core.sam.checkpoints import write_checkpoint  # noqa: E402
from saom_core.sam.network import SamModel  # noqa: E402
from saom_core.sam.segmenter import SamSegmenter, load_sam, segmenter_of  # noqa: E402
from saom_core.taxonomy import CLASSES_AND_OTHER  # noqa: E402
from saom_training.benches.sam_stand_in import SMALL  # noqa: E402

STRICT = SaomConfig(provider="cpu", score_threshold=1.0, stability_threshold=1.0, min_area_px=100_000)
"""Everything mode lets nothing through."""


@pytest.fixture(scope="module")
def model(small_sam: SamModel) -> SamModel:
    return copy.deepcopy(small_sam)


@pytest.fixture(scope="module")
def segmenter(model: SamModel, tmp_path_factory: pytest.TempPathFactory) -> SamSegmenter:
    path = tmp_path_factory.mktemp("sam") / "small.safetensors"
    write_checkpoint(model, path)
    return load_sam(STRICT.replace(model=str(path)))


@pytest.mark.slow
@pytest.mark.parametrize("size_hw", [(120, 160), (200, 90)])
def test_points_get_the_best_mask_of_segment_anything(
    segmenter: SamSegmenter, model: SamModel, size_hw: tuple[int, int]
) -> None:
    image = photo(*size_hw)
    points = np.random.default_rng(1).uniform(0, 1, (6, 2)) * size_hw[::-1]
    found = segmenter.ask(image, Prompts(np.concatenate([points, points[:1]])))
    assert sorted(found.prompts) == list(range(7)) and (np.diff(found.instances.scores) <= 0).all()
    predictor = SamPredictor(model.sam)
    predictor.set_image(image)
    for row, prompt in enumerate(found.prompts):
        point = points[prompt % 6]
        masks, scores, _ = predictor.predict(point[None], np.ones(1), multimask_output=True)
        mask, ours = masks[scores.argmax()], found.instances.masks[row].dense(size_hw)
        assert (mask & ours).sum() / (mask | ours).sum() >= 0.99
        assert found.instances.scores[row] == pytest.approx(scores.max(), abs=1e-4)
        np.testing.assert_allclose(found.instances.points_xy[row], point, rtol=1e-5)


def predicted(
    model: SamModel, image: np.ndarray, prompt: ObjectPrompt, *, three: bool
) -> tuple[np.ndarray, float, np.ndarray]:
    """Mask, score and low-resolution logits of SamPredictor's best answer."""
    predictor = SamPredictor(model.sam)
    predictor.set_image(image)
    points = np.concatenate([prompt.points_xy, prompt.negative_xy])
    labels = np.array([1] * len(prompt.points_xy) + [0] * len(prompt.negative_xy))
    masks, scores, low = predictor.predict(
        points if len(points) else None,
        labels if len(points) else None,
        prompt.box_xyxy,
        None if prompt.mask is None else prompt.mask[None],
        multimask_output=three,
    )
    return masks[scores.argmax()], float(scores.max()), low[scores.argmax()]


def cases(size_hw: tuple[int, int], low: np.ndarray) -> dict[str, ObjectPrompt]:
    height, width = size_hw
    one, two, off = (np.array([[x * width, y * height]]) for x, y in ((0.4, 0.5), (0.55, 0.6), (0.1, 0.15)))
    box = np.array([0.2 * width, 0.2 * height, 0.75 * width, 0.8 * height])
    return {
        "box": ObjectPrompt(box_xyxy=box),
        "points": ObjectPrompt(np.concatenate([one, two])),
        "negative": ObjectPrompt(one, off),
        "negative alone": ObjectPrompt(negative_xy=off),
        "box and points": ObjectPrompt(np.concatenate([one, two]), off, box),
        "box and negative": ObjectPrompt(negative_xy=off, box_xyxy=box),
        "mask": ObjectPrompt(mask=low),
        "mask and point": ObjectPrompt(one, mask=low),
        "all": ObjectPrompt(np.concatenate([one, two]), off, box, low),
    }


@pytest.mark.parametrize("size_hw", [(120, 160), (200, 90), (50, 240)])
@pytest.mark.parametrize("fine_tuned", [True, False])
def test_every_prompt_gets_the_mask_of_sam_predictor(
    model: SamModel, size_hw: tuple[int, int], fine_tuned: bool
) -> None:
    """Boxes, points off the object, several points and masks of the network's own, in any combination."""
    network = model if fine_tuned else SamModel(model.sam, model.sizes)
    asked = segmenter_of(network, STRICT)
    image = photo(*size_hw)
    _, _, low = predicted(model, image, ObjectPrompt(np.array([[size_hw[1] / 2, size_hw[0] / 2]])), three=True)
    compared = 0
    for name, prompt in cases(size_hw, low).items():
        mask, score, _ = predicted(model, image, prompt, three=fine_tuned)
        found = asked.ask(image, Prompts(objects=(prompt,))).instances
        assert len(found) == int(mask.any()), name
        if len(found):
            ours = found.masks[0].dense(size_hw)
            assert (mask & ours).sum() / (mask | ours).sum() >= 0.99, name
            assert found.scores[0] == pytest.approx(score, abs=1e-4), name
            compared += 1
    assert compared >= 6


def test_a_box_of_its_own_is_the_box_of_one_object(segmenter: SamSegmenter, model: SamModel) -> None:
    image, box = photo(120, 160), np.array([30.0, 20.0, 130.0, 100.0])
    mask, score, _ = predicted(model, image, ObjectPrompt(box_xyxy=box), three=True)
    found = segmenter.ask(image, Prompts.from_flat([80, 60], box))
    row = found.prompts.index(1)
    ours = found.instances.masks[row].dense((120, 160))
    assert (mask & ours).sum() / (mask | ours).sum() >= 0.99
    assert found.instances.scores[row] == pytest.approx(score, abs=1e-4)
    assert found.instances.points_xy[row].tolist() == [80, 60]  # the middle of the box


@pytest.mark.parametrize("size_hw", [(120, 160), (200, 90)])
def test_a_mask_of_the_image_is_put_where_the_picture_is(segmenter: SamSegmenter, size_hw: tuple[int, int]) -> None:
    """As the logits of the network's own would be: sure inside and outside, and outside on the padding."""
    height, width = size_hw
    mask = np.zeros(size_hw, np.bool_)
    mask[height // 4 : height // 2, width // 4 : width // 2] = True
    (given,) = AskedImage(segmenter.model, photo(*size_hw))._mask(ObjectPrompt(mask=mask))[0].numpy()  # type: ignore[index]
    side = SMALL.image_size // 4
    scale = side / max(size_hw)
    assert given.shape == (side, side) and given.min() == -MASK_LOGIT and given.max() == MASK_LOGIT
    rows, columns = np.nonzero(given > 0)
    expected = np.array([width // 4, height // 4, width // 2, height // 2]) * scale
    edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(edges, expected, atol=1.01)


def test_threads_that_ask_one_network_get_their_own_answers(model: SamModel) -> None:
    """Classes and all, also of a thread that another one overtakes in the middle of the decoder."""
    own = copy.deepcopy(model)
    segmenter = segmenter_of(own, STRICT.replace(class_score_threshold=0.0))
    image = photo(120, 160)

    def answer(x: float, y: float) -> tuple[tuple[str, ...], list[float], list[float], list[int]]:
        found = segmenter.ask(image, Prompts(np.array([[x, y]]))).instances
        return found.class_names, found.class_scores.tolist(), found.scores.tolist(), [m.area for m in found.masks]

    places = [(30.0, 20.0), (120.0, 90.0)]
    expected = [answer(*place) for place in places]
    assert expected[0][1] != expected[1][1], "two places whose class scores differ"
    found: dict[int, object] = {}
    other = threading.Thread(target=lambda: found.update({1: answer(*places[1])}))

    def overtaken(*_: object) -> None:
        hook.remove()
        other.start()
        other.join(240)

    hook = own.sam.mask_decoder.transformer.register_forward_pre_hook(overtaken)
    found[0] = answer(*places[0])
    assert [found[0], found[1]] == expected


def test_threads_answer_by_their_own_options(model: SamModel) -> None:
    """A copy of a segmenter, as a tracker has one, works with other options in the middle of another picture."""
    own = copy.deepcopy(model)
    segmenter = segmenter_of(own, SaomConfig(provider="cpu", score_threshold=0.1, stability_threshold=0.1))
    image, tracked = photo(120, 160), copy.copy(segmenter)
    tracked.config = STRICT
    expected = segmenter.segment(image).instances
    found: list[Instances] = []
    other = threading.Thread(target=lambda: found.append(tracked.segment(image).instances))

    def overtaken(*_: object) -> None:
        hook.remove()
        other.start()
        other.join(240)

    hook = own.sam.image_encoder.neck.register_forward_pre_hook(overtaken)
    assert len(segmenter.segment(image).instances) == len(expected) > 0 == len(found[0])


@pytest.mark.parametrize("asked", [True, False])
def test_photographs_have_a_say_in_the_names_of_a_checkpoint(model: SamModel, tmp_path: Path, asked: bool) -> None:
    """As in those of its exported file, where its classes are the simulators'."""
    torch.manual_seed(0)
    head = torch.nn.Linear(model.sizes.dim, len(CLASSES_AND_OTHER)).requires_grad_(False)
    path, image = tmp_path / "x.safetensors", photo(120, 160)
    write_checkpoint(SamModel(model.sam, model.sizes, head, CLASSES_AND_OTHER), path)
    config = SaomConfig(
        *(str(path), "cpu"), threads=1, score_threshold=0.1, stability_threshold=0.1, class_score_threshold=0.05
    )

    def found(config: SaomConfig) -> Instances:
        segmenter = load_segmenter(config)
        prompts = Prompts(np.array([[30.0, 20.0], [120.0, 90.0]]))
        return (segmenter.ask(image, prompts) if asked else segmenter.segment(image)).instances

    own = found(config.replace(photo_names=False, class_score_threshold=0.0))
    info = load_segmenter(config).info
    assert info.class_names == CLASSES_AND_OTHER
    expected = PhotoNames(info, config).named(image, own, config.class_score_threshold)
    together = found(config)
    assert together.class_names == expected.class_names != own.class_names
    np.testing.assert_allclose(together.class_scores, expected.class_scores, atol=1e-4)
    household = load_segmenter(config.replace(vocabulary="household")).info.class_names
    assert len(household) > len(CLASSES_AND_OTHER) + 100


def test_what_is_no_mask_is_refused(segmenter: SamSegmenter) -> None:
    image = photo(120, 160)
    with pytest.raises(InputError, match=r"of the image's size \(120, 160\), got \(60, 80\)"):
        segmenter.ask(image, Prompts.from_flat(mask=np.ones((60, 80), np.bool_)))
    with pytest.raises(InputError, match=r"logits of shape \(32, 32\) of this network, got \(256, 256\)"):
        segmenter.ask(image, Prompts.from_flat(mask=np.ones((256, 256), np.float32)))


def test_depth_and_refusals(segmenter: SamSegmenter) -> None:
    image = photo(120, 160)
    found = segmenter.ask(image, Prompts(np.array([[80.0, 60.0]])), np.full((120, 160), 0.9, np.float32))
    assert found.instances.distances_m.tolist() == [pytest.approx(0.9)]
    assert len(segmenter.ask(image, Prompts()).instances) == 0
    with pytest.raises(InputError, match="inside the 160x120 image"):
        segmenter.ask(image, Prompts(np.array([[160.0, 60.0]])))
