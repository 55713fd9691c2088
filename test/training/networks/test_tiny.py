"""saom-tiny: prompts are independent, the everything graph is what it says, the input channels mean what they say."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from saom_core.everything import LEAST_SCORE
from saom_core.model_file.contract import OUTPUTS
from saom_core.taxonomy import CLASSES_AND_OTHER
from saom_training.networks.encoder import input_channels, local_mean
from saom_training.networks.everything import (
    EverythingGraph,
    box_iou,
    grid_prompts_xy,
    mean_embeddings,
    stability_score,
    suppress_duplicates,
)
from saom_training.networks.mask_scores import mask_scores, prompt_agreement
from saom_training.networks.object_head import mask_boxes
from saom_training.networks.prompt_decoder import values_at
from saom_training.networks.tiny import SaomTiny, TinyConfig
from saom_training.onnx_files.parity import example_input


@pytest.fixture(scope="module")
def network() -> SaomTiny:
    torch.manual_seed(0)
    return SaomTiny(TinyConfig(CLASSES_AND_OTHER)).eval()


def batch(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    images, depths = zip(*(example_input((96, 128), seed) for seed in range(count)), strict=True)
    return torch.stack(images), torch.stack(depths)


@torch.no_grad()
def test_prompts_are_independent(network: SaomTiny) -> None:
    features = network.encode(*batch(1))
    points = torch.rand(1, 9, 2, generator=torch.Generator().manual_seed(0))
    together = network.decode(features, points)
    for k in range(points.shape[1]):
        alone = network.decode(features, points[:, k : k + 1])
        torch.testing.assert_close(alone.tokens[0, 0], together.tokens[0, k], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(alone.boxes[0, 0], together.boxes[0, k], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            network.masks(features, alone.mask_embeddings)[0, 0],
            network.masks(features, together.mask_embeddings)[0, k],
            atol=1e-3,
            rtol=1e-3,
        )


@pytest.mark.parametrize("size_hw", [(6, 8), (1, 1)])
def test_values_at_points_are_those_of_grid_sample(size_hw: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    level = torch.randn(2, 5, *size_hw, generator=generator, dtype=torch.float64)
    points = torch.rand(2, 40, 2, generator=generator, dtype=torch.float64) * 1.4 - 0.2  # some beyond the border
    points[:, :4] = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]])
    theirs = F.grid_sample(level, points[:, None] * 2 - 1, padding_mode="border", align_corners=False)
    torch.testing.assert_close(values_at(level, points), theirs[:, :, 0].transpose(1, 2))


@torch.no_grad()
def test_batched_equals_single(network: SaomTiny) -> None:
    images, depths = batch(3)
    points = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(1))
    features = network.encode(images, depths)
    masks = network.masks(features, network.decode(features, points).mask_embeddings)
    assert masks.shape == (3, 5, 24, 32)
    for k in range(3):
        single = network.encode(images[k : k + 1], depths[k : k + 1])
        one = network.masks(single, network.decode(single, points[k : k + 1]).mask_embeddings)
        torch.testing.assert_close(one[0], masks[k], atol=1e-3, rtol=1e-3)


def test_gradients_reach_every_parameter(network: SaomTiny) -> None:
    features = network.encode(*batch(2))
    answers = network.decode(features, torch.rand(2, 4, 2))
    masks = network.masks(features, answers.mask_embeddings)
    images, depths = batch(1)
    class_logits = network.classify(network.embed(images[0], depths[0], masks[0]))
    parts = (masks, answers.quality_logits, class_logits, answers.boxes, network.semantics(features))
    sum(part.float().sum() for part in parts).backward()  # type: ignore[union-attr]
    missing = [name for name, p in network.named_parameters() if p.grad is None]
    network.zero_grad(set_to_none=True)
    assert missing == []


def test_plane_has_no_relief_and_a_book_on_it_has() -> None:
    rows = torch.arange(120, dtype=torch.float32)
    inverse = (0.6 + 0.004 * rows)[:, None].expand(120, 160)  # a plane: inverse depth is affine in the pixels
    depth = 1.0 / inverse
    flat = input_channels(torch.zeros(1, 120, 160, 3), depth[None])[0]
    assert flat[4, 20:100, 20:140].abs().max() < 0.02
    raised = depth.clone()
    raised[55:65, 75:85] -= 0.05
    book = input_channels(torch.zeros(1, 120, 160, 3), raised[None])[0]
    assert book[4, 60, 80] > 0.2


def test_depth_scale_does_not_matter_and_invalid_is_zero() -> None:
    image, depth = example_input((96, 128), 0)
    one = input_channels(image[None], depth[None])
    two = input_channels(image[None], 2 * depth[None])
    torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)
    assert (one[0, 3:, depth == 0] == 0).all()
    none = input_channels(image[None], torch.zeros(1, 96, 128))
    assert (none[0, 3:] == 0).all() and none.isfinite().all()


def test_local_mean_against_naive_loop() -> None:
    x = torch.rand(1, 1, 48, 64, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(x, (16, 16, 16, 16))
    mean = local_mean(x)[0, 0]
    for row, column in ((20, 20), (12, 44), (36, 28)):  # four pixels about the common corner of four blocks
        corners = [(r, c) for r in (row - 4, row + 4) for c in (column - 4, column + 4)]
        windows = [padded[0, 0, r : r + 40, c : c + 40].mean() for r, c in corners]
        corner = mean[row + 3 : row + 5, column + 3 : column + 5].mean()
        torch.testing.assert_close(corner, sum(windows) / 4)


def greedy_oracle(masks: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        overlaps = [(masks[i] & masks[j]).sum() / max(1, (masks[i] | masks[j]).sum()) for j in kept]
        if scores[i] > 0 and all(overlap <= threshold for overlap in overlaps):
            kept.append(i)
    return sorted(kept)


@pytest.mark.parametrize("seed", range(8))
def test_duplicate_suppression_equals_greedy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = np.zeros((30, 24, 32), bool)
    for mask in masks:
        top, left = rng.integers(0, 12), rng.integers(0, 16)
        mask[top : top + rng.integers(4, 12), left : left + rng.integers(4, 16)] = True
    scores = np.round(rng.random(30), 1).astype(np.float32)  # with ties and zeros
    keep = suppress_duplicates(torch.from_numpy(masks), torch.from_numpy(scores), torch.tensor(0.4))
    assert np.flatnonzero(keep.numpy()).tolist() == greedy_oracle(masks, scores, 0.4)


def test_stability_against_definition() -> None:
    logits = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2
    logits[2] = -9.0
    for k in range(2):
        expected = (logits[k] > 1).sum() / (logits[k] > -1).sum()
        torch.testing.assert_close(stability_score(logits)[k], expected.float())
    assert stability_score(logits)[2] == 0


@pytest.mark.parametrize("seed", range(3))
def test_mask_boxes_against_loop(seed: int) -> None:
    logits = torch.randn(4, 20, 40, generator=torch.Generator().manual_seed(seed)) - 3
    logits[3] = -1.0
    for mask, box in zip(logits, mask_boxes(logits), strict=True):
        rows, columns = (mask > 0).nonzero(as_tuple=True)
        if len(rows) == 0:
            assert box[2] <= box[0] and box[3] <= box[1]
            continue
        expected = [columns.min() - 1, rows.min() - 1, columns.max() + 2, rows.max() + 2]
        wanted = torch.tensor([e / s for e, s in zip(expected, (40, 20, 40, 20), strict=True)]).clamp(0, 1)
        torch.testing.assert_close(box, wanted)


@torch.no_grad()
def test_everything_graph_shapes_and_order(network: SaomTiny) -> None:
    graph = EverythingGraph(network, candidates=40, max_instances=20)
    image, depth = example_input((96, 128), 0)
    grid = grid_prompts_xy(8, 6, (96, 128))
    limits = [torch.tensor(v) for v in (0.0, 0.0, 0.9)]
    answer = dict(zip(OUTPUTS, graph(image, depth, grid, *limits), strict=True))
    boxes, scores = answer["boxes"], answer["scores"]
    assert answer["masks"].shape == (20, 24, 32) and boxes.shape == (20, 4) and answer["points"].shape == (20, 2)
    assert answer["embeddings"].shape == (20, 256) and answer["image_embedding"].shape == (128, 6, 8)
    assert answer["stability"].shape == answer["class_ids"].shape == answer["class_scores"].shape == (20,)
    assert (scores[:-1] >= scores[1:]).all() and scores[0] > 0
    assert (boxes[:, 2] <= 128).all() and (boxes >= 0).all()
    nothing = graph(image, depth, grid, torch.tensor(1.1), *limits[1:])
    assert (nothing[2] == 0).all()


@torch.no_grad()
def test_rows_that_are_not_filled_have_no_embedding(network: SaomTiny) -> None:
    graph = EverythingGraph(network, candidates=40, max_instances=20)
    image, depth = example_input((96, 128), 0)

    def answer(least: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        one = graph(image, depth, grid_prompts_xy(8, 6, (96, 128)), least, torch.tensor(0.0), torch.tensor(0.9))
        return one[2], one[7]

    scores, embeddings = answer(torch.tensor(1e-3))
    few_scores, few = answer(scores[2])
    assert scores[2] > scores[3] > 0 and few_scores[2] > 0 and not few_scores[3:].any()
    torch.testing.assert_close(few[:3], embeddings[:3])
    assert few[:3].any(dim=1).all() and not few[3:].any() and embeddings[3].any()


def test_a_score_joins_predicted_quality_stability_and_agreement() -> None:
    rows = [(0.9, 1.0, 1.0), (0.9, 0.6, 1.0), (0.9, 1.0, 0.3), (0.5, 0.5, 0.5), (0.9, 0.0, 0.0)]
    quality, stability, agreement = torch.tensor(rows).T
    wanted = [(q**4 * max(s, 0.01) ** 2 * max(a, 0.01)) ** (1 / 6) for q, s, a in rows]
    torch.testing.assert_close(mask_scores(quality, stability, agreement), torch.tensor(wanted))
    assert mask_scores(torch.tensor(1e-3), torch.tensor(0.0), torch.tensor(0.0)) > 0  # 0 would be padding


def test_agreement_against_loops() -> None:
    rng = np.random.default_rng(4)
    masks = torch.from_numpy(rng.random((5, 6, 8)) < 0.3)
    masks[4] = False
    corners = torch.from_numpy(np.sort(rng.random((20, 2, 2)), axis=1)).float()
    boxes, points = corners.flatten(1), torch.from_numpy(rng.random((20, 2))).float()
    quality = torch.from_numpy(rng.random(20)).float()
    actual = prompt_agreement(masks, box_iou(boxes[:5], boxes), points, quality)
    for k in range(5):
        total = agreed = 0.0
        for n, (x, y) in enumerate(points.tolist()):
            if masks[k, int(y * 6), int(x * 8)]:
                low, high = torch.maximum(boxes[k, :2], boxes[n, :2]), torch.minimum(boxes[k, 2:], boxes[n, 2:])
                both = float((high - low).clamp(min=0).prod())
                either = sum(float((box[2:] - box[:2]).prod()) for box in (boxes[k], boxes[n])) - both
                total, agreed = total + float(quality[n]), agreed + float(quality[n]) * both / either
        assert float(actual[k]) == pytest.approx(agreed / total if total else 1.0, abs=1e-5)


def test_prompts_that_mean_one_object_draw_its_mask_together() -> None:
    boxes = torch.tensor([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.49], [0.1, 0.1, 0.5, 0.35], [0.6, 0.6, 0.9, 0.9]])
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 2.0], [9.0, 9.0], [5.0, 5.0]])
    quality = torch.tensor([0.8, 0.4, 0.9, 0.0])
    actual = mean_embeddings(embeddings[[0, 3]], embeddings, box_iou(boxes[[0, 3]], boxes), quality)
    # the third box is another candidate (IoU 0.63); the fourth counts for nothing, and keeps what is its own
    torch.testing.assert_close(actual, torch.tensor([[0.64 / 0.8, 2 * 0.16 / 0.8], [5.0, 5.0]]))
    unsure = mean_embeddings(embeddings[[0]], embeddings, box_iou(boxes[[0]], boxes), quality * 1e-4)
    torch.testing.assert_close(unsure, actual[[0]], msg="a mean, however unsure all of them are")


@torch.no_grad()
def test_asked_prompts_have_no_say_in_each_other(network: SaomTiny) -> None:
    graph = EverythingGraph(network, candidates=60, max_instances=60)
    image, depth = example_input((96, 128), 0)
    grid = grid_prompts_xy(8, 6, (96, 128))

    def answers(
        prompts: torch.Tensor, score_threshold: float = 0.0
    ) -> dict[tuple[float, ...], tuple[float, torch.Tensor]]:
        limits = [torch.tensor(value) for value in (score_threshold, 0.0, 1.0)]
        rows = dict(zip(OUTPUTS, graph(image, depth, prompts, *limits), strict=True))
        filled = zip(rows["points"].tolist(), rows["scores"].tolist(), rows["masks"], strict=True)
        return {tuple(point): (score, mask) for point, score, mask in filled if score > 0}

    def assert_same(answer: tuple[float, torch.Tensor], alone: tuple[float, torch.Tensor]) -> None:
        assert answer[0] == pytest.approx(alone[0], abs=1e-5)
        torch.testing.assert_close(answer[1], alone[1], rtol=1e-4, atol=1e-4)

    for point, answer in list(answers(grid).items())[:10]:
        assert_same(answer, answers(torch.tensor([point, point]))[point])
    point = (20.0, 30.0)
    neighbours = torch.tensor(point) + 0.5 * torch.arange(4.0)[:, None]
    alone = answers(torch.tensor([point, point]))[point]
    assert_same(answers(neighbours)[point], alone)
    together = answers(neighbours, LEAST_SCORE)[point]
    assert (together[1] - alone[1]).abs().max() > 1e-3, "in everything mode they draw together"


@torch.no_grad()
def test_no_score_is_below_the_threshold(network: SaomTiny) -> None:
    """A threshold leaves out what a later look at the scores would, where no mask removes another."""
    network = copy.deepcopy(network)
    network.mask_head[-1].weight *= 60  # masks whose edges are surer here and there
    network.quality_head[-1].weight *= 20
    graph = EverythingGraph(network, candidates=40, max_instances=20)
    image, depth = example_input((96, 128), 0)

    def scores(least: float) -> torch.Tensor:
        limits = [torch.tensor(v) for v in (least, 0.0, 1.0)]
        return graph(image, depth, grid_prompts_xy(8, 6, (96, 128)), *limits)[2]

    opened = scores(1e-6)  # at 0 prompts count as asked one by one
    least = float(opened.median())
    closed = scores(least)
    assert opened.unique().numel() > 5 and 0 < (closed > 0).sum() < (opened > 0).sum()
    assert ((closed >= least) | (closed == 0)).all()


@torch.no_grad()
def test_prompts_of_one_point_answer_that_point(network: SaomTiny) -> None:
    """All rows the same prompt: one instance, and it is what the network says of that point."""
    graph = EverythingGraph(network, candidates=40, max_instances=20)
    image, depth = example_input((96, 128), 0)
    point = torch.tensor([37.0, 55.0])
    limits = [torch.tensor(v) for v in (0.0, 0.0, 0.9)]
    answer = dict(zip(OUTPUTS, graph(image, depth, point.expand(48, 2), *limits), strict=True))
    features = network.encode(image[None], depth[None])
    alone = network.decode(features, (point / torch.tensor([128.0, 96.0]))[None, None])
    assert (answer["scores"] > 0).sum() == 1
    quality, stability = float(alone.quality_logits.sigmoid()[0, 0]), float(answer["stability"][0])
    assert float(answer["scores"][0]) == pytest.approx((quality**4 * max(stability, 0.01) ** 2) ** (1 / 6), rel=1e-4)
    expected = network.masks(features, alone.mask_embeddings)[0, 0]
    torch.testing.assert_close(answer["masks"][0], expected, atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_depth_has_a_branch_of_its_own() -> None:
    torch.manual_seed(0)
    network = SaomTiny(TinyConfig(CLASSES_AND_OTHER, encoder="efficientnet_lite0", depth_width=8)).eval()
    assert network.encoder.conv_stem.in_channels == 3
    images, depths = batch(2)
    seen = network.pyramid(images, depths)
    assert seen.fine.shape == (2, 64, 24, 32) and seen.coarse.shape == (2, 128, 6, 8)
    blind = network.pyramid(images, None)
    assert not torch.equal(seen.fine, blind.fine) and not torch.equal(seen.coarse, blind.coarse)
