"""The object head sees what is there, in training as in the graph; names are learned; a killed run resumes."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from killed import assert_same_weights, killed_after

from saom_cli.main import main
from saom_core.camera import CameraIntrinsics
from saom_core.errors import ConfigError
from saom_core.runtime import BUNDLED_MODEL
from saom_training.dataset import Dataset, Sample
from saom_training.networks.checkpoint import load_network_and_record, save_network
from saom_training.networks.object_head import CROP, GEOMETRY, ObjectHead, geometry, object_views, relief
from saom_training.networks.tiny import SaomTiny, TinyConfig
from saom_training.recipes import names
from saom_training.recipes.names import (
    ClassesConfig,
    NamedObjects,
    accuracy,
    name_terms,
    teach_classes,
)
from saom_training.running.checks import TrainingError
from saom_training.running.processes import Processes
from saom_training.running.step import train_step
from saom_training.samples.object_batches import ObjectBatches
from saom_training.samples.object_crops import (
    objects_of,
    plain_views,
    read_objects,
    together,
    varied_views,
    with_drawn_masks,
)


def scene(height: int = 96, width: int = 128) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A red square 0.5 m away before a grey wall at 1 m, and its mask's logits at a quarter of the size."""
    image = torch.full((height, width, 3), 128, dtype=torch.uint8)
    depth = torch.ones(height, width)
    image[32:64, 40:72] = torch.tensor([250, 0, 0], dtype=torch.uint8)
    depth[32:64, 40:72] = 0.5
    logits = torch.full((1, height // 4, width // 4), -20.0)
    logits[0, 8:16, 10:18] = 20.0
    return image, depth, logits


def test_view_shows_object_relief_and_mask() -> None:
    views = object_views(*scene())
    crop = views.crops[0]
    assert crop.shape == (5, CROP, CROP)
    torch.testing.assert_close(crop[:3, CROP // 2, CROP // 2], torch.tensor([250 / 255, 0.0, 0.0]))
    assert crop[4, CROP // 2, CROP // 2] > 0.99 and crop[4, 0, 0] < 0.01
    assert crop[3, CROP // 2, CROP // 2].abs() < 0.1  # the object's own distance
    assert crop[3, 0, 0] == -1.5  # the wall is far behind: cut
    size = torch.tensor([32 / 128, 32 / 96]).log()
    expected = torch.cat([size, size + np.log(0.5), torch.tensor([1.0, 0.5])])
    torch.testing.assert_close(views.geometry[0], expected, atol=0.05, rtol=0)


def test_without_depth_nothing_is_measured() -> None:
    image, depth, logits = scene()
    for none in (None, torch.zeros_like(depth)):
        views = object_views(image, none, logits)
        assert (views.crops[0, 3] == 0).all() and (views.geometry[0, 2:5] == 0).all()
        assert views.crops.isfinite().all()


def test_empty_mask_and_one_pixel_are_finite() -> None:
    image, depth, logits = scene()
    rows = torch.full((2, *logits.shape[1:]), -20.0)
    rows[1, 0, 0] = 20.0
    views = object_views(image, depth, rows)
    assert views.crops.isfinite().all() and views.geometry.isfinite().all()
    assert object_views(image, depth, rows[:0]).crops.shape == (0, 5, CROP, CROP)


def test_objects_do_not_mix() -> None:
    image, depth, logits = scene()
    other = torch.roll(logits, (4, 8), dims=(1, 2))
    both = object_views(image, depth, torch.cat([logits, other]))
    for k, mask in enumerate((logits, other)):
        alone = object_views(image, depth, mask)
        torch.testing.assert_close(both.crops[k], alone.crops[0])
        torch.testing.assert_close(both.geometry[k], alone.geometry[0])
    head = ObjectHead(16, 24).eval()
    with torch.no_grad():
        assert head(both).shape == (2, 16)


def test_relief_and_geometry_against_formula() -> None:
    inverse = torch.tensor([[[[2.0, 2.1, 0.0, 9.0]]]])
    expected = torch.tensor([[[[0.0, 0.25, 0.0, 1.5]]]])
    torch.testing.assert_close(relief(inverse, torch.tensor([2.0])), expected)
    assert (relief(inverse, torch.tensor([0.0])) == 0).all()
    row = geometry(torch.tensor([[0.1, 0.2, 0.3, 0.6]]), torch.tensor([0.5]), torch.zeros(()))[0]
    wanted = [np.log(0.2), np.log(0.4), np.log(0.2 * 2), np.log(0.4 * 2), 1.0, 0.4]
    torch.testing.assert_close(row, torch.tensor(wanted, dtype=torch.float32))


def test_training_sees_what_the_graph_sees() -> None:
    """The same object by both ways: cut from the data set by its true mask, and from the image by a predicted one."""
    image, depth, logits = scene()
    mask = np.zeros(depth.shape, bool)
    mask[32:64, 40:72] = True
    nothing = np.zeros(1, np.int32)
    camera = CameraIntrinsics(100.0, 100.0, 64.0, 48.0, 128, 96)
    sample = Sample(
        image.numpy(), depth.numpy(), mask[None], nothing, ("a",), nothing - 1, nothing + 1.0, ~mask, camera, 0, "scene"
    )
    kept, views = plain_views(together(objects_of(sample)), torch.tensor([0])), object_views(image, depth, logits)
    assert (kept.crops - views.crops).abs().mean() < 0.05
    torch.testing.assert_close(kept.geometry, views.geometry, atol=0.05, rtol=0)


def test_varied_views_keep_shapes_and_drop_depth(data: Dataset) -> None:
    objects = read_objects(data)
    rows = torch.arange(len(objects))
    views = varied_views(objects, rows, 1.0, torch.Generator().manual_seed(0))
    assert views.crops.shape == (len(rows), 5, CROP, CROP) and views.geometry.shape == (len(rows), GEOMETRY)
    assert (views.crops[:, 3] == 0).all() and (views.geometry[:, 2:5] == 0).all()
    again = varied_views(objects, rows, 1.0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(views.crops, again.crops)


def untaught(data: Dataset, folder: Path) -> Path:
    """A checkpoint with random weights."""
    torch.manual_seed(0)
    save_network(SaomTiny(TinyConfig(data.class_names)).eval(), folder, {"steps": 7})
    return folder


@pytest.fixture
def checkpoint(data: Dataset, tmp_path: Path) -> Path:
    return untaught(data, tmp_path / "masks")


@pytest.mark.slow
def test_names_are_learned_and_masks_stay(data: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    config = ClassesConfig(steps=60, batch=8, warmup_steps=1, ema_decay=0.8, drop_depth=0.0, dropout=0.0)
    last = teach_classes(data, data, tmp_path / "named", config, checkpoint)
    before, after = (safetensors.torch.load_file(f / "weights.safetensors") for f in (checkpoint, last))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"object_head", "class_head"}
    network = load_network_and_record(last)[0]
    assert accuracy(NamedObjects(network.object_head, network.class_head, 0.0), read_objects(data)) == 1.0


KILLED = ClassesConfig(steps=4, batch=4, checkpoint_every=2)


@pytest.fixture(scope="module")
def whole(three_pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a teaching that nothing interrupted."""
    folder, data = tmp_path_factory.mktemp("whole"), Dataset.open(three_pictures, "train")
    return teach_classes(data, data, folder / "named", KILLED, untaught(data, folder / "masks"))


@pytest.mark.slow
@pytest.mark.parametrize("written", range(4))
def test_teaching_killed_between_two_files_gives_the_same_weights(
    data: Dataset, checkpoint: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    with killed_after(monkeypatch, names, written):
        teach_classes(data, data, tmp_path / "cut", KILLED, checkpoint)
    assert_same_weights(whole, teach_classes(data, data, tmp_path / "cut", KILLED, checkpoint))
    (plot := tmp_path / "cut" / "losses.png").unlink()
    teach_classes(data, data, tmp_path / "cut", KILLED, checkpoint)
    assert plot.exists(), "killed after the last checkpoint, before its plot"


@pytest.mark.slow
def test_another_teaching_is_not_resumed(
    data: Dataset, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed_after(monkeypatch, names, 2):
        teach_classes(data, data, tmp_path / "cut", KILLED, checkpoint)
    with pytest.raises(ConfigError, match="'config.seed': 0.*'config.seed': 1"):
        teach_classes(data, data, tmp_path / "cut", dataclasses.replace(KILLED, seed=1), checkpoint)
    save_network(SaomTiny(TinyConfig(data.class_names)), tmp_path / "other", {"steps": 7})
    with pytest.raises(ConfigError, match="'init'"):
        teach_classes(data, data, tmp_path / "cut", KILLED, tmp_path / "other")
    data.class_names = ("a", *data.class_names[1:])
    with pytest.raises(ConfigError, match="'class_names'"):
        teach_classes(data, data, tmp_path / "cut", KILLED, checkpoint)


def test_gradient_that_is_not_finite_stops_before_the_step(data: Dataset) -> None:
    network = SaomTiny(TinyConfig(data.class_names))
    named = NamedObjects(network.object_head, network.class_head, 0.0)
    network.class_head.bias.register_hook(lambda gradient: gradient * float("inf"))
    before = [parameter.clone() for parameter in named.parameters()]
    optimizer = torch.optim.AdamW(named.parameters())
    config, processes = ClassesConfig(batch=4, drawn_share=0.0, workers=0), Processes.alone()
    batch = next(ObjectBatches(data, network, config, processes).after(0))
    with pytest.raises(TrainingError, match="finite gradient.*loss of"):
        train_step(named, optimizer, batch, partial(name_terms, config=config), config, processes)
    for parameter, value in zip(named.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, value, rtol=0, atol=0)


@pytest.mark.slow
def test_command_line_heeds_or_refuses_every_option(
    data: Dataset, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["finetune", "--classes-only", "--data", str(data.path), "--out", str(tmp_path / "run"), "--threads", "1"]
    assert main(words) == 1
    assert "expected --init" in capsys.readouterr().err
    words += ["--init", str(checkpoint)]
    for ignored in ("--steps", "--epochs", "--prompts", "--size", "--grid"):
        assert main([*words, ignored, "64x64" if ignored in ("--size", "--grid") else "1"]) == 1
        assert f"{ignored}: expected options of --classes-only" in capsys.readouterr().err
    assert main([*words, "--fused"]) == 1
    assert main([*words[:1], *words[2:], "--class-steps", "1"]) == 1
    assert "--class-steps: expected options of saom-tiny without --classes-only" in capsys.readouterr().err
    given = ["--class-steps", "1", "--learning-rate", "0.002", "--drop-depth", "0.1", "--seed", "3"]
    given += [
        "--object-width",
        "8",
        "--batch",
        "16",
        "--workers",
        "0",
        "--warmup-steps",
        "7",
        "--checkpoint-every",
        "9",
    ]
    assert main([*words, *given]) == 0
    assert (tmp_path / "run" / "losses.png").read_bytes()[:4] == b"\x89PNG"
    taught = load_network_and_record(tmp_path / "run" / "last")[1]["classes"]
    wanted = ClassesConfig(1, object_width=8, batch=16, learning_rate=0.002, drop_depth=0.1, seed=3, workers=0)
    assert taught == dataclasses.asdict(dataclasses.replace(wanted, warmup_steps=7, checkpoint_every=9))


@pytest.mark.slow
def test_an_object_head_of_another_width_begins_anew(data: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    config = ClassesConfig(steps=2, object_width=8, batch=4, warmup_steps=1)
    last = teach_classes(data, data, tmp_path / "named", config, checkpoint)
    assert load_network_and_record(last)[0].config.object_width == 8
    before, after = (safetensors.torch.load_file(f / "weights.safetensors") for f in (checkpoint, last))
    same = {
        name for name in before if before[name].shape == after[name].shape and torch.equal(before[name], after[name])
    }
    assert {name.split(".")[0] for name in before if name not in same} == {"object_head", "class_head"}


@pytest.mark.slow
def test_workers_read_the_same_objects(data: Dataset, checkpoint: Path) -> None:
    network = load_network_and_record(checkpoint)[0]
    alone, two = (read_objects(data, network, 0.5, workers) for workers in (0, 2))
    for field in dataclasses.fields(alone):
        torch.testing.assert_close(getattr(alone, field.name), getattr(two, field.name), rtol=0, atol=0)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"batch": 0}, {"object_width": -3}, {"drop_depth": 7.0}, {"workers": -1}]
)
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ClassesConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_names_of_an_exported_file_are_taught(data: Dataset, tmp_path: Path) -> None:
    config = ClassesConfig(steps=1, batch=2, warmup_steps=1, drawn_share=0.0)
    network = load_network_and_record(teach_classes(data, data, tmp_path / "named", config, BUNDLED_MODEL))[0]
    assert network.config.class_names == data.class_names


def test_no_objects_is_told(data: Dataset, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="got none"):
        teach_classes(Dataset.open(data.path, "val"), data, tmp_path / "out", ClassesConfig(), checkpoint)


def test_drawn_masks_are_the_networks_own(data: Dataset) -> None:
    """A network that draws everything everywhere: only what fills most of the picture is kept."""

    class All(SaomTiny):
        def masks(self, features: object, mask_embeddings: torch.Tensor) -> torch.Tensor:
            return torch.full((1, mask_embeddings.shape[1], 72, 96), 5.0)

    torch.manual_seed(0)
    network = All(TinyConfig(data.class_names)).eval()
    sample = data[0]
    large = np.ones_like(sample.masks[:1])
    sample = dataclasses.replace(sample, masks=np.concatenate([large, sample.masks[:1]]), class_ids=np.array([3, 4]))
    drawn = with_drawn_masks(sample, network, np.random.default_rng(0))
    share = sample.masks[1].mean()
    assert drawn.class_ids.tolist() == ([3, 4] if share >= 0.4 else [3]) and drawn.masks[0].mean() > 0.95
    empty = dataclasses.replace(sample, masks=np.zeros_like(large), class_ids=np.array([3]))
    assert len(with_drawn_masks(empty, network, np.random.default_rng(0)).masks) == 0
