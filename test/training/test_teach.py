"""`saom teach` from pictures to the named instance, on an exported network with random weights."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest
import torch

from saom_cli.main import main
from saom_cli.teach import write
from saom_core.camera import CameraIntrinsics
from saom_core.config import SaomConfig
from saom_core.errors import InputError, ModelError
from saom_core.everything import EverythingModel, OnnxSegmenter
from saom_core.instances import Instances
from saom_core.model_file.taught import TaughtClass, match, normalised
from saom_core.runtime import OnnxModel
from saom_core.teach.examples import Example, answers, look, surroundings
from saom_training.data.frames import Frame, FrameObject
from saom_training.dataset import Dataset, DatasetWriter
from saom_training.export import ExportOptions, export
from saom_training.figures.models import CheckpointNetwork
from saom_training.networks.checkpoint import save_network
from saom_training.networks.tiny import SaomTiny, TinyConfig
from saom_training.onnx_files.parity import example_input
from saom_training.onnx_files.reference_objects import add_reference

pytestmark = pytest.mark.slow

NAMES = ("gear", "crate", "Other")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the first random weights that see several objects, and one of them as an object where it is asked."""
    folder = tmp_path_factory.mktemp("teach")
    for seed in range(100):
        save_network(random_network(seed), folder, {"config": {"augment": {"size_hw": (96, 128)}}, "steps": 0})
        if sees_objects(CheckpointNetwork(folder, "cpu", 1, (8, 8))):
            break
    export(folder, folder / "model.onnx", ExportOptions(size_hw=(96, 128), grid=(8, 8), max_instances=20, calls=2))
    return folder / "model.onnx"


def random_network(seed: int) -> SaomTiny:
    """Scores spread over 0..1, and masks are not all alike."""
    torch.manual_seed(seed)
    network = SaomTiny(TinyConfig(NAMES))
    with torch.no_grad():
        network.quality_head[-1].weight *= 30
        network.quality_head[-1].bias += 2
        network.mask_head[-1].weight *= 100
        for module in network.modules():  # equal values would be stored once, under one name
            if isinstance(module, torch.nn.BatchNorm2d | torch.nn.LayerNorm):
                module.weight.uniform_(0.9, 1.1)
                module.bias.uniform_(-0.1, 0.1)
    return network.eval()


def sees_objects(model: EverythingModel) -> bool:
    image, depth = scene()
    masks, described = answers(model, image, depth)
    if len(masks) < 5:
        return False
    row, _ = least_alike(described)
    try:
        sight = look(model, Example("x.png", image, masks[row], depth))
    except InputError:
        return False
    return len(sight.own) >= 3 and len(sight.others) >= 1 and float(sight.own[0] @ described[row]) > 0.95


@pytest.fixture(scope="module")
def model(file: Path) -> OnnxModel:
    return OnnxModel(str(file), "cpu", 1)


def scene(seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    image, depth = example_input((96, 128), seed)
    return image.numpy(), depth.numpy()


def segmenter(path: Path) -> OnnxSegmenter:
    return OnnxSegmenter(SaomConfig(model=str(path), threads=1, min_area_px=1))


def least_alike(described: np.ndarray) -> tuple[int, float]:
    """The row that is least like any other, and its cosine with the nearest one."""
    assert len(described) >= 5
    cosines = normalised(described) @ normalised(described).T - 2 * np.eye(len(described))
    row = int(np.argmin(cosines.max(axis=1)))
    return row, float(cosines[row].max())


def same(one: Instances, two: Instances, rows: np.ndarray) -> bool:
    arrays = ("boxes_xyxy", "scores", "stability", "class_ids", "class_scores", "points_xy", "distances_m")
    return all(getattr(one, name)[rows].tobytes() == getattr(two, name)[rows].tobytes() for name in arrays) and all(
        one.class_names[k] == two.class_names[k] and one.masks[k].crop.tobytes() == two.masks[k].crop.tobytes()
        for k in rows
    )


def test_what_matches_is_renamed_and_the_rest_stays_bit_for_bit(file: Path, model: OnnxModel, tmp_path: Path) -> None:
    image, depth = scene()
    described = surroundings(model, Example("x", image, None, depth))
    chosen, nearest = least_alike(described)
    one = TaughtClass("mug_blue", described[chosen], (1 + nearest) / 2, {})
    write(file, tmp_path / "mine.onnx", [one])
    before, after = (segmenter(path).segment(image, depth).instances for path in (file, tmp_path / "mine.onnx"))
    named = np.flatnonzero(np.array(after.class_names) == "mug_blue")
    assert len(named) == 1 and len(before) == len(after)
    assert after.class_ids[named[0]] == 3 and after.class_scores[named[0]] == pytest.approx(1, abs=1e-5)
    assert same(before, after, np.delete(np.arange(len(after)), named[0]))
    assert after.to_coco()[named[0]]["category_name"] == "mug_blue"
    assert after.class_image().max() >= 4


def test_no_match_changes_nothing(file: Path, model: OnnxModel, tmp_path: Path) -> None:
    image, depth = scene()
    size = surroundings(model, Example("x", image)).shape[1]
    away = TaughtClass("nowhere", -np.full(size, size**-0.5, np.float32), 0.5, {})
    write(file, tmp_path / "mine.onnx", [away])
    before, after = (segmenter(path).segment(image, depth).instances for path in (file, tmp_path / "mine.onnx"))
    assert len(before) > 0 and same(before, after, np.arange(len(before)))


def test_a_taught_file_is_a_whole_model_without_this_package(file: Path, tmp_path: Path) -> None:
    write(file, tmp_path / "mine.onnx", [])
    assert OnnxModel(str(tmp_path / "mine.onnx"), "cpu", 1).info.class_names == NAMES
    image, _ = scene()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    runs = [
        ort.InferenceSession(str(path), options).run(["masks", "scores"], {"image": image})
        for path in (file, tmp_path / "mine.onnx")
    ]
    for one, two in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, two)


def examples(folder: Path, model: OnnxModel, count: int = 4) -> None:
    """Pictures of one object, differently noisy, with the mask that the model has of it."""
    folder.mkdir(exist_ok=True)
    image, depth = scene()
    masks, described = answers(model, image, depth)
    row, _ = least_alike(described)
    for k in range(count):
        noise = np.random.default_rng(k).integers(0, 3, image.shape, np.uint8)
        cv2.imwrite(str(folder / f"{k}.png"), np.minimum(image, 250)[..., ::-1] + noise)
        cv2.imwrite(str(folder / f"{k}_mask.png"), masks[row].astype(np.uint8) * 255)
        cv2.imwrite(str(folder / f"{k}_depth.png"), np.rint(depth * 1000).astype(np.uint16))


def test_a_prompt_in_the_mask_gives_the_object_that_everything_mode_gives(model: OnnxModel) -> None:
    image, depth = scene()
    masks, described = answers(model, image, depth)
    row, _ = least_alike(described)
    sight = look(model, Example("x.png", image, masks[row], depth))
    assert sight.iou >= 0.5 and 1 <= len(sight.own) <= 8
    np.testing.assert_allclose((sight.own**2).sum(1), 1, atol=1e-5)
    assert len(sight.others) < len(masks)
    found, _ = match(sight.own[:1], [TaughtClass("a", sight.own[0], 0.99, {})])
    assert found.tolist() == [0]
    assert sight.own[0] @ described[row] > 0.95


def test_examples_that_the_model_does_not_see_are_refused(model: OnnxModel) -> None:
    image, depth = scene()
    speck, frame = np.zeros((96, 128), np.bool_), np.ones((96, 128), np.bool_)
    speck[50, 60] = True
    frame[2:-2, 2:-2] = False
    for mask in (speck, frame):
        with pytest.raises(InputError, match="IoU >= 0.5"):
            look(model, Example("x.png", image, mask, depth))
    with pytest.raises(InputError, match="empty"):
        look(model, Example("x.png", image, ~np.ones_like(speck), depth))
    with pytest.raises(InputError, match="size"):
        look(model, Example("x.png", image, speck[1:], depth))
    with pytest.raises(InputError, match="align depth"):
        look(model, Example("x.png", image, speck, depth[1:]))


def test_command_from_pictures_to_the_named_instance(
    file: Path, model: OnnxModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    examples(tmp_path / "examples", model)
    (tmp_path / "examples" / "broken.png").write_text("no picture")
    mine = tmp_path / "mine.onnx"
    surround = tmp_path / "room"
    surround.mkdir()
    for seed in range(3):
        cv2.imwrite(str(surround / f"{seed}.png"), scene(seed)[0])
    command = ["teach", "mug_blue", str(tmp_path / "examples"), "--model", str(file), "-o", str(mine), "--threads", "1"]
    command += ["--by", "embedding"]
    assert main([*command, "--others", str(surround)]) == 0
    printed = capsys.readouterr()
    assert "4 examples agree" in printed.out and "class id 3" in printed.out
    assert "broken.png: refused" in printed.err
    info = OnnxModel(str(mine), "cpu", 1).info
    assert info.class_names == (*NAMES, "mug_blue")
    assert info.taught[0].record["examples"] == [f"examples/{k}.png" for k in range(4)]
    image, depth = scene()
    named = np.array(segmenter(mine).segment(image, depth).instances.class_names) == "mug_blue"
    _, described = answers(model, image, depth)
    cosines = normalised(described) @ info.taught[0].prototype
    np.testing.assert_array_equal(named, cosines >= info.taught[0].threshold)
    assert main(["info", str(mine)]) == 0
    assert "taught    mug_blue" in capsys.readouterr().out
    assert main(["teach", "gear_big", *command[2:], "--others", str(surround)]) == 1  # --model forgotten
    assert "taught mug_blue, which would be lost: give --model" in capsys.readouterr().err
    far = TaughtClass("cup_red", normalised(np.random.default_rng(0).normal(size=described.shape[1])), 0.99, {})
    write(mine, mine, [*info.taught, far])
    again = [*command[:4], str(mine), *command[5:]]  # replaced, in place
    assert main([*again, "--others", str(surround)]) == 0
    assert "class id 3" in capsys.readouterr().out
    assert OnnxModel(str(mine), "cpu", 1).info.class_names == (*NAMES, "mug_blue", "cup_red")
    assert not list(tmp_path.glob(".*"))


def test_reference_objects_are_what_the_file_sees_of_a_data_set(
    file: Path, model: OnnxModel, tmp_path: Path, make_frame: Callable[..., Frame]
) -> None:
    image, _ = scene()
    depth = np.zeros(image.shape[:2], np.float32)
    masks, described = answers(model, image, depth)
    ids = np.full(depth.shape, -1, np.int32)
    for k in sorted(range(len(masks)), key=lambda k: -int(masks[k].sum())):
        ids[masks[k]] = k
    frame = dataclasses.replace(
        make_frame(),
        image_rgb=image,
        depth_m=depth,
        object_ids=ids,
        part_ids=np.zeros(depth.shape, np.int32),
        objects=tuple(FrameObject(NAMES[k % 2], "style", ("body",), {}, 1.0) for k in range(len(masks))),
        camera=CameraIntrinsics(100.0, 100.0, 64.0, 48.0, 128, 96),
    )
    DatasetWriter(tmp_path / "data", {"class_names": list(NAMES)}).write_episode(0, [frame] * 2)
    data = Dataset.open(tmp_path / "data", "train")
    copied = tmp_path / "model.onnx"
    copied.write_bytes(file.read_bytes())
    kept = add_reference(copied, data)
    reference = OnnxModel(str(copied), "cpu", 1).info.reference
    assert reference is not None and Counter(reference.class_names) == kept
    assert sum(kept.values()) >= 4 and set(kept) <= set(NAMES[:2])
    cosines = reference.described @ normalised(described).T
    assert (cosines.max(axis=1) > 0.999).all()
    nothing = dataclasses.replace(frame, object_ids=np.where(np.indices(ids.shape).sum(0) % 9, -1, 0).astype(np.int32))
    DatasetWriter(tmp_path / "other", {"class_names": list(NAMES)}).write_episode(0, [nothing])
    with pytest.raises(InputError, match="got none"):
        add_reference(copied, Dataset.open(tmp_path / "other", "train"))


def test_command_refuses_and_writes_nothing(
    file: Path, model: OnnxModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    examples(tmp_path / "few", model, count=2)
    tail = ["--model", str(file), "-o", str(tmp_path / "mine.onnx"), "--threads", "1"]
    assert main(["teach", "mug_blue", str(tmp_path / "few"), *tail]) == 1
    assert "at least 3 examples" in capsys.readouterr().err
    assert main(["teach", "Gear", str(tmp_path / "few"), *tail]) == 1
    assert "knows 'gear'" in capsys.readouterr().err
    assert main(["teach", "mug_blue", str(tmp_path / "nowhere"), *tail]) == 1
    assert not (tmp_path / "mine.onnx").exists()


def test_a_changed_file_is_refused(file: Path, model: OnnxModel, tmp_path: Path) -> None:
    size = surroundings(model, Example("x", scene()[0])).shape[1]
    one = TaughtClass("mug_blue", np.eye(size, dtype=np.float32)[0], 0.9, {})
    mine = tmp_path / "mine.onnx"
    write(file, mine, [one])
    content = mine.read_bytes()
    record = b'"steps": 0'
    assert content.count(record) == 1
    mine.write_bytes(content.replace(record, record.replace(b"0", b"9")))
    with pytest.raises(ModelError, match="changed or damaged"):
        OnnxModel(str(mine), "cpu", 1)
    place = content.rindex(b"mug_blue")
    mine.write_bytes(content[:place] + b"mug_bluf" + content[place + 8 :])
    with pytest.raises(ModelError, match="checksum"):
        OnnxModel(str(mine), "cpu", 1)
    with pytest.raises(NotADirectoryError, match="below.onnx"):
        write(file, tmp_path / "mine.onnx" / "below.onnx", [one])
