"""Prompts put to a checkpoint of the SAM family, against segment-anything's own predictor."""

from __future__ import annotations

import numpy as np
import pytest
from sam_scenes import one_thread, photo  # noqa: F401

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything")

from segment_anything import SamPredictor  # noqa: E402

from saom_core.config import SaomConfig  # noqa: E402
from saom_core.errors import InputError  # noqa: E402
from saom_core.prompts import Prompts, box_ious  # noqa: E402
from saom_core.sam.checkpoints import write_checkpoint  # noqa: E402
from saom_core.sam.network import SamModel  # noqa: E402
from saom_core.sam.segmenter import SamSegmenter, load_sam  # noqa: E402
from saom_training.benches.sam_stand_in import SMALL, stand_in  # noqa: E402

STRICT = SaomConfig(provider="cpu", score_threshold=1.0, stability_threshold=1.0, min_area_px=100_000)
"""Everything mode lets nothing through."""


@pytest.fixture(scope="module")
def model() -> SamModel:
    return stand_in(SMALL)


@pytest.fixture(scope="module")
def segmenter(model: SamModel, tmp_path_factory: pytest.TempPathFactory) -> SamSegmenter:
    path = tmp_path_factory.mktemp("sam") / "small.safetensors"
    write_checkpoint(model, path)
    return load_sam(STRICT.replace(model=str(path)))


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


def test_a_box_gets_the_mask_that_fits_it_best(segmenter: SamSegmenter) -> None:
    image = photo(120, 160)
    box = np.array([30.0, 20.0, 130.0, 100.0])
    found = segmenter.ask(image, Prompts(boxes_xyxy=box[None])).instances
    assert len(found) == 1
    merit = found.scores[0] * box_ious(box, found.boxes_xyxy.astype(float))[0]
    for point in Prompts(boxes_xyxy=box[None]).asked_xy(0):
        alone = segmenter.ask(image, Prompts(point[None])).instances
        fits = alone.scores * box_ious(box, alone.boxes_xyxy.astype(float))
        assert merit >= fits.max(initial=0) - 1e-5


def test_depth_and_refusals(segmenter: SamSegmenter) -> None:
    image = photo(120, 160)
    found = segmenter.ask(image, Prompts(np.array([[80.0, 60.0]])), np.full((120, 160), 0.9, np.float32))
    assert found.instances.distances_m.tolist() == [pytest.approx(0.9)]
    assert len(segmenter.ask(image, Prompts()).instances) == 0
    with pytest.raises(InputError, match="inside the 160x120 image"):
        segmenter.ask(image, Prompts(np.array([[160.0, 60.0]])))
