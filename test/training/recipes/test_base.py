"""The SAM-like base: its items mean what they say, it learns, and its checkpoint is one of the SAM family."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from sam_scenes import losses, one_thread, write_data  # noqa: F401

from saom_cli.main import main
from saom_core.config import SaomConfig
from saom_core.errors import ConfigError, ModelError
from saom_core.runtime import BUNDLED_MODEL
from saom_core.sam.checkpoints import read_checkpoint, write_checkpoint
from saom_core.sam.decoder import PointDecoder
from saom_core.sam.encoder import network_input
from saom_training.data.frames import Frame
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.figures.models import load_model
from saom_training.networks.onnx_weights import network_from_onnx
from saom_training.recipes.base import SamBaseConfig, base_terms, train_base
from saom_training.reproduction.command import KEPT_BASE
from saom_training.running.processes import Processes
from saom_training.samples.pieces import BaseItem, BaseStream, pieces_of, points_on
from saom_training.trainees.sam import SamAnswers
from saom_training.trainees.sam_start import new_base

QUICK = SamBaseConfig(
    steps=60, batch=2, learning_rate=2e-3, warmup_steps=5, ema_decay=0.9, bf16=False, workers=0, checkpoint_every=60,
    views=1, image_size=64, dim=64, decoder_heads=4, prompts=12,
)  # fmt: skip
BACKBONE = "tf_efficientnet_lite2"


def open_with_parts(path: Path) -> Dataset:
    return Dataset.open(path, "train", parts=True, sub_objects="apart")


def stream_of(data: Dataset, config: SamBaseConfig) -> BaseStream:
    return BaseStream(
        data, pieces_of(data, data.path / "pieces.json", 0, Processes.alone()), config.image_size, 100, config
    )


def holds_of(item: BaseItem) -> torch.Tensor:
    """(N, T) bool: which masks hold which points."""
    holds = torch.zeros(len(item.points_xy), len(item.masks), dtype=torch.bool)
    holds[item.pairs[0], item.pairs[1]] = True
    return holds


def test_items_are_consistent(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    DatasetWriter(tmp_path / "data", {}).write_episode(0, [make_frame()])
    data = open_with_parts(tmp_path / "data")
    assert "Drawer" in data[0].class_names
    config = dataclasses.replace(QUICK, views=3)
    both_levels = 0
    for i in range(12):
        item = stream_of(data, config)[i]
        again = stream_of(data, config)[i]
        assert torch.equal(item.points_xy, again.points_xy) and torch.equal(item.image, again.image)
        assert item.image.shape == (3, 48, 64) and item.input_hw == (48, 64)
        assert len(item.points_xy) == 12 and item.masks.shape[1:] == (12, 16)
        holds = holds_of(item)
        assert bool(holds.gather(1, item.targets[:, None]).all()), "a point lies off its own mask"
        for (x, y), held in zip(item.points_xy, holds, strict=True):
            assert bool((item.masks[held, int(y) // 4, int(x) // 4] > 0).all())
        both_levels += int((holds.sum(1) > 1).sum())
    assert both_levels > 12


def test_drawers_are_part_of_their_dressers(tmp_path: Path, make_frame: Callable[..., Frame]) -> None:
    DatasetWriter(tmp_path / "data", {}).write_episode(0, [make_frame()])
    item = stream_of(open_with_parts(tmp_path / "data"), dataclasses.replace(QUICK, prompts=200))[0]
    masks = item.masks.float()
    areas = masks.sum((1, 2))
    inside = (masks[:, None] * masks[None]).sum((2, 3)) / areas[:, None]
    wholes = [k for k in range(len(areas)) if not any(inside[k, j] > 0.9 for j in range(len(areas)) if j != k)]
    parts = [k for k in range(len(areas)) if k not in wholes]
    assert len(parts) >= 3  # body and drawer of the dresser, handle and body of the mug


def test_points_are_spread_evenly_over_masks() -> None:
    masks = np.zeros((2, 20, 30), bool)
    masks[0, :, :8], masks[1, :, 12:] = True, True
    points, rows = points_on(masks, 31, np.random.default_rng(0))
    assert sorted(np.bincount(rows).tolist()) == [15, 16]
    assert all(masks[row, y, x] for (x, y), row in zip(points, rows, strict=True))
    assert points_on(masks[:0], 5, np.random.default_rng(0))[0].shape == (0, 2)


def test_sub_parts_are_among_the_masks(tmp_path: Path) -> None:
    data = open_with_parts(write_data(tmp_path / "data", frames=1))
    item = stream_of(data, dataclasses.replace(QUICK, prompts=64))[0]
    assert len(item.masks) > len(data[0].masks) + 1  # one region of background
    assert int(holds_of(item).sum(1).max()) >= 3  # whole, part, sub-part


def test_the_score_of_each_mask_is_learned_of_what_it_stands_for() -> None:
    """One point on a whole and on its part: two of the three masks are answers, the third is asked nothing."""
    whole, part = torch.zeros(8, 8), torch.zeros(8, 8)
    whole[:, :6], part[:, :2] = 1.0, 1.0
    drawn = torch.stack([part, torch.zeros(8, 8), whole])
    drawn[2, :, 5] = 0  # an IoU of 5/6
    logits = (20 * drawn - 10)[None].requires_grad_()
    scores = torch.tensor([[0.5, 0.5, 0.5]], requires_grad=True)
    item = BaseItem(
        torch.zeros(3, 32, 32, dtype=torch.uint8), (32, 32), torch.tensor([[2.0, 16.0]]),
        torch.zeros(1, dtype=torch.int64),
        torch.stack([whole, part]), torch.zeros(2, dtype=torch.int64), pairs=torch.tensor([[0, 0], [0, 1]]),
    )  # fmt: skip
    terms = base_terms([SamAnswers(scores, logits, None)], [item], QUICK)
    assert float(terms["iou"].total) == pytest.approx(1 + 5 / 6)
    assert float(terms["quality"].total.detach()) == pytest.approx(0.5**2 + (5 / 6 - 0.5) ** 2)
    [gradient] = torch.autograd.grad(terms["quality"].total, scores)
    assert gradient[0].tolist() == pytest.approx([-1.0, 0.0, -2 / 3])


@pytest.mark.slow
def test_a_base_learns_and_is_a_sam_checkpoint(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", frames=2)
    path = train_base(open_with_parts(data), tmp_path / "run", QUICK)
    total = losses(tmp_path / "run")
    assert total[-1] < 0.75 * total[0]
    model = read_checkpoint(path)
    assert model.sizes == QUICK.sizes(BACKBONE) and model.sizes.decoder_heads == 4 and model.class_head is None
    assert json.loads(model.metadata["training"])["recipe"] == "base"
    assert train_base(open_with_parts(data), tmp_path / "run", QUICK) == path  # done already: nothing is left to do


def test_prompts_attend_to_their_places_from_the_start() -> None:
    """Before any training the point tokens look at where the point is."""
    model = new_base(SamBaseConfig(image_size=256))
    decoder = PointDecoder(model.sam)
    image = decoder.image_tokens(torch.zeros(1, 256, 16, 16))
    attention = model.sam.mask_decoder.transformer.layers[0].cross_attn_token_to_image
    points = torch.tensor([[40.0, 200.0], [230.0, 20.0], [120.0, 120.0]])
    with torch.no_grad():
        sparse, _ = model.sam.prompt_encoder((points[:, None], torch.ones(3, 1)), None, None)
        query = attention.q_proj(sparse[:, 0])
        scores = query @ attention.k_proj(image.position).T
    for (x, y), row in zip(points.tolist(), scores, strict=True):
        at = int(row.argmax())
        assert abs((at % 16 + 0.5) * 16 - x) <= 24 and abs((at // 16 + 0.5) * 16 - y) <= 24


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="divisible by 32"):
        SamBaseConfig(image_size=272)


def test_the_encoder_begins_with_saom_tinys() -> None:
    """Of a picture without depth both see the same, but near its border, which saom-tiny's branch for depth sees."""
    tiny, _ = network_from_onnx(BUNDLED_MODEL)
    model = new_base(SamBaseConfig(image_size=512))
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8))
    with torch.no_grad():
        pyramid = tiny.pyramid(image[None], None)
        levels = model.sam.image_encoder.levels(network_input(model.sam, image.numpy())[0])
    for ours, theirs in zip(levels, (pyramid.fine, pyramid.middle, pyramid.coarse), strict=True):
        border = ours.shape[2] // 4
        inside = (ours - theirs)[:, :, border:-border, border:-border]
        assert float(inside.abs().max()) < 1e-2 * float(theirs.abs().max())


def test_a_header_that_lies_is_refused(tmp_path: Path) -> None:
    model = new_base(SamBaseConfig(image_size=64))
    for entry, message in (({"backbone": "no_such_net"}, "timm has"), ({"image_size": "wide"}, "positive number")):
        write_checkpoint(model, tmp_path / "base.safetensors")
        weights = safetensors.torch.load_file(tmp_path / "base.safetensors")
        header = {"backbone": BACKBONE, "image_size": "64", "decoder_heads": "4", **entry}
        safetensors.torch.save_file(weights, tmp_path / "base.safetensors", header)
        with pytest.raises(ModelError, match=message):
            read_checkpoint(tmp_path / "base.safetensors")


@pytest.mark.slow
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_data(tmp_path / "data", frames=1)
    words = ["--recipe", "base", "--data", str(data), "--out", str(tmp_path / "run"), "--steps", "1", "--batch", "1"]
    words += ["--image-size", "64", "--dim", "64"]
    assert main(["finetune", *words, "--workers", "0", "--threads", "1", "--no-bf16"]) == 0
    assert f"checkpoint: {tmp_path / 'run' / 'last.safetensors'}" in capsys.readouterr().out


@pytest.mark.slow
def test_a_base_is_exported_equal_to_torch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = new_base(SamBaseConfig(image_size=64, dim=64))
    decoder = model.sam.mask_decoder
    with torch.no_grad():  # masks that are stable and score: as it begins it has none
        decoder.iou_prediction_head.layers[-1].bias.fill_(0.8)
        for layer in (mlp.layers[-1] for mlp in decoder.output_hypernetworks_mlps):
            layer.weight.mul_(50)
    write_checkpoint(model, tmp_path / "base.safetensors")
    words = [str(tmp_path / "base.safetensors"), str(tmp_path / "base.onnx"), "--grid", "4x4", "--calls", "1"]
    assert main(["export", *words]) == 0
    assert load_model(SaomConfig(model=str(tmp_path / "base.onnx"), provider="cpu")).grid == (4, 4)


@pytest.mark.slow
def test_the_kept_base_gives_parts_and_wholes() -> None:
    """A red box with a yellow label: a point on the label has both among its three masks, one beside it the box."""
    box, label = np.zeros((384, 512), bool), np.zeros((384, 512), bool)
    box[120:260, 180:340], label[160:220, 230:300] = True, True
    image = np.full((384, 512, 3), (170, 160, 150))
    image[box], image[label] = (180, 40, 40), (230, 220, 60)
    image += np.random.default_rng(0).integers(-6, 7, image.shape)
    model = read_checkpoint(KEPT_BASE)
    assert model.class_head is None and json.loads(model.metadata["training"])["recipe"] == "base"
    decoder = PointDecoder(model.sam)
    with torch.no_grad():
        pixels, input_hw = network_input(model.sam, image.astype(np.uint8))
        tokens = decoder.image_tokens(model.sam.image_encoder(pixels))
        prompts = decoder.decode(tokens, torch.tensor([[265.0, 190.0], [200.0, 140.0]]))
        logits = decoder.mask_logits(prompts, None, (24, 32))
    drawn = F.interpolate(logits, input_hw, mode="bilinear").numpy() > 0

    def best(masks: np.ndarray, truth: np.ndarray) -> float:
        return max((mask & truth).sum() / (mask | truth).sum() for mask in masks)

    assert best(drawn[0], label) > 0.8 and best(drawn[0], box) > 0.9
    assert best(drawn[1], box) > 0.9 and best(drawn[1], label) < 0.3
