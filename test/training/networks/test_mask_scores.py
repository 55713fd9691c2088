"""Second scores: what the head is told of a mask, and that everything mode, exported or not, ranks by what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from saom_core.config import SaomConfig
from saom_core.model_file.contract import THRESHOLDS
from saom_core.taxonomy import CLASSES_AND_OTHER
from saom_training.export import ExportOptions, export
from saom_training.networks.checkpoint import save_network
from saom_training.networks.everything import EverythingGraph, grid_prompts_xy
from saom_training.networks.exportable import load_exportable
from saom_training.networks.mask_scores import (
    FACTS,
    REACH,
    DrawnMasks,
    MaskIouHead,
    mask_facts,
    second_scores,
    seen_by_head,
)
from saom_training.networks.tiny import SaomTiny, TinyConfig, with_mask_iou_head
from saom_training.onnx_files.parity import EVERYTHING, ExportError, cases, check_parity, example_input, torch_answer
from saom_training.onnx_files.precision import TOLERANCES

SIZE_HW = (96, 128)
LIMITS = (0.1, 0.0, 0.95)  # score, stability, NMS


def drawn(masks: list[tuple[slice, slice]]) -> DrawnMasks:
    """Masks of sure pixels in 8x10, in falling order of their scores."""
    count = len(masks)
    logits = torch.full((count, 8, 10), -5.0)
    for logit, where in zip(logits, masks, strict=True):
        logit[where] = 5.0
    falling = torch.linspace(0.9, 0.5, count)
    boxes, points, embeddings = torch.rand(count, 4), torch.rand(count, 2), torch.rand(count, 6)
    return DrawnMasks(logits, boxes, points, falling, falling, falling, falling, embeddings)


def test_the_head_is_told_how_far_a_mask_lies_inside_another_one() -> None:
    whole, half, elsewhere = np.s_[0:4, 0:8], np.s_[2:6, 0:4], np.s_[6:8, 8:10]
    facts = mask_facts(drawn([whole, half, elsewhere]))
    assert facts.shape == (3, FACTS)
    torch.testing.assert_close(facts[:, 7], torch.tensor([8 / 32, 8 / 16, 0.0]))  # of itself, inside another
    torch.testing.assert_close(facts[:, 8], torch.tensor([8 / 16, 8 / 32, 0.0]))  # of another, inside it
    torch.testing.assert_close(facts[:, 4], torch.tensor([32.0, 16.0, 4.0]).log() / 8)
    assert (facts[:, 5] == 0).all(), "no unsure pixel"
    alone = mask_facts(drawn([whole]))
    assert (alone[:, 7:9] == 0).all() and torch.isfinite(alone).all()


def test_an_empty_row_has_finite_facts() -> None:
    assert torch.isfinite(mask_facts(drawn([np.s_[0:0, 0:0]]))).all()


def test_second_scores_keep_nothing_at_nothing_and_rise_with_both() -> None:
    first = torch.tensor([0.0, 0.5, 0.5, 0.8])
    scores = second_scores(first, torch.tensor([1.0, 0.2, 0.9, 0.9]))
    assert scores[0] == 0 and (scores.diff() > 0).all() and scores.max() <= 1


@pytest.fixture(scope="module")
def network() -> SaomTiny:
    """Random weights that find masks, and a head that prefers small ones to large ones."""
    torch.manual_seed(3)
    network = with_mask_iou_head(SaomTiny(TinyConfig(CLASSES_AND_OTHER)), 8).eval().requires_grad_(False)
    network.mask_head[-1].weight *= 100  # sure edges
    network.box_head[-1].bias.fill_(-4.0)  # small boxes, so that prompts do not mean the same object
    assert isinstance(network.mask_iou_head, MaskIouHead)
    first, _, last = network.mask_iou_head.layers
    first.weight.zero_()
    first.bias.zero_()
    first.weight[0, 256 + 4] = 8.0  # the area
    last.weight.fill_(-1.0)
    last.bias.fill_(5.0)
    return network


def answer(network: SaomTiny, *limits: float) -> dict[str, torch.Tensor]:
    image, depth = example_input(SIZE_HW, 0)
    graph = EverythingGraph(network, max_instances=20).eval()
    values = graph(image, depth, grid_prompts_xy(8, 8, SIZE_HW), *map(torch.tensor, limits))
    return dict(zip(graph.outputs, values, strict=True))


def test_everything_mode_ranks_and_filters_by_second_scores(network: SaomTiny) -> None:
    found = answer(network, *LIMITS)
    real = found["scores"] > 0
    assert real.sum() > 3
    assert (found["scores"].diff() <= 0).all() and found["scores"][real].min() >= LIMITS[0]
    image, depth = example_input(SIZE_HW, 0)
    low = [torch.tensor(value) for value in (LIMITS[0] * REACH, *LIMITS[1:])]
    first, _ = EverythingGraph(network, max_instances=20).draw(image, depth, grid_prompts_xy(8, 8, SIZE_HW), *low)
    wanted = second_scores(first.scores, network.mask_iou_head(seen_by_head(first)).sigmoid())
    order = wanted.argsort(descending=True)
    order = order[wanted[order] >= LIMITS[0]]
    assert order.tolist() != sorted(order.tolist()), "the head changes the order"
    torch.testing.assert_close(found["scores"][real], wanted[order])
    for name, rows in (("masks", first.logits), ("embeddings", first.embeddings), ("points", first.points)):
        torch.testing.assert_close(found[name][real], rows[order])
        assert (found[name][~real] == 0).all(), "padding"


def test_prompts_that_somebody_asks_keep_their_own_scores(network: SaomTiny) -> None:
    asked, without = answer(network, 0.0, 0.0, 1.0), answer(with_mask_iou_head(network, 0).eval(), 0.0, 0.0, 1.0)
    torch.testing.assert_close(asked["scores"], without["scores"])
    torch.testing.assert_close(asked["masks"], without["masks"])


def test_an_exported_file_is_compared_with_torch_by_its_second_scores(network: SaomTiny, tmp_path: Path) -> None:
    save_network(network, tmp_path / "last", {"steps": 1})
    path = tmp_path / "scored.onnx"
    export(tmp_path / "last", path, ExportOptions(size_hw=SIZE_HW, grid=(8, 8), max_instances=20))
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options)
    image, depth = example_input(SIZE_HW, 0)
    feed = {name: np.array(value, np.float32) for name, value in zip(THRESHOLDS, LIMITS, strict=True)}
    scores, masks = session.run(["scores", "masks"], {"image": image.numpy(), "depth": depth.numpy(), **feed})
    graph = load_exportable(tmp_path / "last", max_instances=20).graph  # with the weights that the file holds
    expected = answer(graph.network, *LIMITS)
    real = expected["scores"].numpy() > 0
    assert list(THRESHOLDS) == ["score_threshold", "stability_threshold", "nms_iou"] and real.sum() > 3
    np.testing.assert_allclose(scores, expected["scores"].numpy(), atol=2e-3)
    np.testing.assert_allclose(masks[real], expected["masks"].numpy()[real], atol=2e-2)
    tried = list(cases(SIZE_HW, grid_prompts_xy(8, 8, SIZE_HW), depth=True, thorough=True, scored_twice=True))
    graph.network.mask_iou_head.layers[-1].bias.fill_(-3.0)  # another head than the file's
    asked, everything = tried[0], next(case for case in tried if case.limits is EVERYTHING)
    check_parity(path, [(asked, torch_answer(graph, asked))], TOLERANCES["fp32"])
    with pytest.raises(ExportError):
        check_parity(path, [(everything, torch_answer(graph, everything))], TOLERANCES["fp32"])


def test_the_default_threshold_is_one_that_the_powers_were_chosen_for() -> None:
    assert SaomConfig().score_threshold == 0.5
