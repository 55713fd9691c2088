"""The fast head: embeddings kept or made, crops, prompts, checkpoints; its losses against loops."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sam_scenes import TINY, one_thread, tiny_model  # noqa: F401

from saom_core.errors import ConfigError, ModelError
from saom_training.assign import BACKGROUND
from saom_training.networks.checkpoint import encoder_hash, load_checkpoint, load_network_and_record, save_network
from saom_training.networks.everything import EverythingGraph, grid_prompts_xy
from saom_training.networks.fast_head import SamFast, fast_on, sam_pixels, used_tokens
from saom_training.recipes.fast import FAST, fast_terms
from saom_training.samples.augment import IGNORED
from saom_training.samples.embedded_pictures import NO_CLASS, SamItem
from saom_training.samples.mask_targets import mask_edges, semantic_labels
from saom_training.trainees.fast import FastTrainee

NAMES = ("Book", "Bowl", "Mug")
SHAPE = {"dim": 16, "mask_dim": 8, "heads": 2, "layers": 2}


@pytest.fixture
def network() -> SamFast:
    torch.manual_seed(0)
    return fast_on(tiny_model(), NAMES, **SHAPE).eval()


def item(network: SamFast, rows: int, columns: int, targets: list[int], objects: int = 2) -> SamItem:
    """One picture of random pixels with objects that are rectangles."""
    generator = torch.Generator().manual_seed(rows)
    masks = torch.zeros(objects, -(-rows // 4), -(-columns // 4))
    for k in range(objects):
        masks[k, 1 : 4 + k, 2 * k : 2 * k + 4] = 1
    return SamItem(
        torch.randn(TINY.dim, 4, 4, generator=generator),
        (rows, columns),
        torch.rand(len(targets), 2, generator=generator) * torch.tensor([columns, rows]),
        torch.tensor(targets),
        masks,
        torch.arange(objects) % 3,
    )


@torch.no_grad()
def test_a_kept_embedding_gives_what_the_picture_gives(network: SamFast) -> None:
    image = torch.randint(0, 255, (1, 48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels = sam_pixels(image, network.config.image_mean, network.config.image_std, 64)
    assert pixels.shape == (1, 3, 64, 64) and (pixels[:, :, 48:] == 0).all()
    torch.testing.assert_close(pixels[0, :, 5, 7], tiny_model().sam.preprocess(image[0].permute(2, 0, 1))[:, 5, 7])
    embedding = network.image_encoder(pixels)
    kept = network.prepare(network.pyramid_of(used_tokens(embedding, (48, 64), TINY)))
    made = network.encode(image, None)
    assert kept.coarse.shape == (1, 16, 3, 4) and kept.fine.shape == (1, 8, 12, 16)
    torch.testing.assert_close(kept.mask_features, made.mask_features, atol=1e-5, rtol=1e-4)
    assert made.extent.tolist() == [1.0, 0.75]


@torch.no_grad()
def test_positions_do_not_depend_on_how_much_of_the_input_is_used(network: SamFast) -> None:
    """The code of a place is that of its pixel in the encoder's input, however wide or tall the picture is."""
    embedding = torch.randn(1, TINY.dim, 4, 4, generator=torch.Generator().manual_seed(0))
    codes = []
    network.key_position.register_forward_pre_hook(lambda _, inputs: codes.append(inputs[0]))
    for rows, columns in ((4, 4), (3, 4), (2, 2)):
        network.prepare(network.pyramid_of(embedding[:, :, :rows, :columns]))
    square = codes[0].unflatten(0, (4, 4))
    torch.testing.assert_close(square[:3], codes[1].unflatten(0, (3, 4)))
    torch.testing.assert_close(square[:2, :2], codes[2].unflatten(0, (2, 2)))


@torch.no_grad()
@pytest.mark.parametrize("at_once", [1, 7, 64])
def test_prompts_at_once_change_nothing(network: SamFast, at_once: int) -> None:
    image = torch.randint(0, 255, (48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    arguments = (image, None, grid_prompts_xy(4, 5, (48, 64)), *map(torch.tensor, (0.0, 0.0, 1.0)))
    every = EverythingGraph(network, 30, 15)(*arguments)
    some = EverythingGraph(network, 30, 15, prompts_at_once=at_once)(*arguments)
    for one, other in zip(every, some, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_every_weight_of_the_head_is_trained(network: SamFast) -> None:
    trainee = FastTrainee(SamFast(network.config))
    items = [item(network, 48, 64, [BACKGROUND, 0, 1, 1]), item(network, 40, 30, [BACKGROUND])]
    for answers, one in zip(trainee(items), items, strict=True):
        terms = fast_terms(answers, one, FAST)
        sum(term.total for term in terms.values()).backward()  # type: ignore[union-attr]
    assert [name for name, p in trainee.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


@torch.no_grad()
def test_losses_of_one_picture_against_loops(network: SamFast) -> None:
    one = item(network, 46, 64, [BACKGROUND, 0, 1, 0])  # 46 rows: the last patch is not full
    one.class_ids = torch.tensor([2, NO_CLASS])
    answers = FastTrainee(SamFast(network.config).eval())([one])[0]
    assert answers.mask_logits.shape == (3, 12, 16)
    terms = fast_terms(answers, one, FAST)
    masks = F.pad(one.masks, (0, 0, 0, 12 - one.masks.shape[1]))
    quality = [0.0]
    dice = 0.0
    for logits, row in zip(answers.mask_logits, (0, 1, 0), strict=True):
        drawn, truth = (logits > 0).numpy(), masks[row].numpy() > 0.5
        quality.append((drawn & truth).sum() / max(1, (drawn | truth).sum()))
        p = logits.sigmoid()
        dice += float(1 - (2 * (p * masks[row]).sum() + 1) / (p.sum() + masks[row].sum() + 1))
    wanted = F.binary_cross_entropy_with_logits(answers.quality_logits, torch.tensor(quality).float(), reduction="sum")
    torch.testing.assert_close(terms["quality"].total, wanted)
    assert terms["quality"].count == 4 and terms["dice"].count == terms["box"].count == 3
    assert float(terms["dice"].total) == pytest.approx(dice, rel=1e-4)
    names = sum(-answers.class_logits[k].log_softmax(0)[2] for k in (0, 2))
    torch.testing.assert_close(terms["class"].total, names)
    assert terms["class"].count == 2  # the object without class of the model is not asked for


def test_boxes_and_labels_of_masks_against_loops() -> None:
    rng = np.random.default_rng(0)
    masks = torch.from_numpy(rng.random((5, 8, 12)) > 0.93).float()
    masks[0] = 0
    masks[0, 3, 4] = 1  # one pixel
    for mask, box in zip(masks, mask_edges(masks), strict=True):
        rows, columns = mask.nonzero(as_tuple=True)
        expected = [columns.min() / 12, rows.min() / 8, (columns.max() + 1) / 12, (rows.max() + 1) / 8]
        torch.testing.assert_close(box, torch.stack(expected))
    solid = torch.zeros(2, 4, 6)
    solid[0, :2, :3], solid[1, 2:, 4:] = 1, 1
    labels = semantic_labels(solid, torch.tensor([7, NO_CLASS]))
    assert labels.tolist() == [[7, IGNORED, IGNORED], [IGNORED] * 3]  # half covered is not enough; no class: not asked
    assert (semantic_labels(torch.zeros(0, 4, 6), torch.zeros(0, dtype=torch.int64)) == IGNORED).all()


def test_a_checkpoint_is_whole_and_its_encoder_is_its_own(network: SamFast, tmp_path: Path) -> None:
    record = {"steps": 3, "base": {"encoder": encoder_hash(network), "size": "tiny"}}
    save_network(network, tmp_path, record)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "encoder.safetensors",
        "network.json",
        "weights.safetensors",
    ]
    loaded, found = load_checkpoint(tmp_path)
    assert isinstance(loaded, SamFast) and found == record and loaded.config == network.config
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=0, atol=0)
    with pytest.raises(ModelError, match="saom-tiny checkpoint, got a fast head"):
        load_network_and_record(tmp_path)
    (tmp_path / "encoder.safetensors").unlink()
    with pytest.raises(ModelError, match=r"encoder\.safetensors"):
        load_checkpoint(tmp_path)
    save_network(fast_on(tiny_model(seed=1), NAMES, **SHAPE), tmp_path, record)
    with pytest.raises(ModelError, match="the encoder that the head was trained on"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"dim": 30}, "multiple of the 8 heads"),
        ({"supervised": "least_loss"}, "one mask per prompt"),
        ({"dim": 0}, "dim"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        dataclasses.replace(FAST, **wrong)
