"""The three kinds of checkpoints of the SAM family, and files that are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything")

import safetensors.torch  # noqa: E402
from segment_anything import sam_model_registry  # noqa: E402

from saom_core.errors import ModelError  # noqa: E402
from saom_core.sam.checkpoints import read_checkpoint, write_checkpoint  # noqa: E402
from saom_core.sam.network import SamModel, build_sam, sizes_of  # noqa: E402
from saom_core.taxonomy import OTHER, PAPER_CLASSES  # noqa: E402
from saom_training.benches.sam_stand_in import SIZES, SMALL  # noqa: E402


@pytest.fixture(scope="module")
def model() -> Iterator[SamModel]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield SamModel(build_sam(SMALL), SMALL, torch.nn.Linear(SMALL.dim, 55), PAPER_CLASSES)
    torch.set_num_threads(threads)


def wrapped(model: SamModel) -> dict[str, Any]:
    """The state dict of the authors' SamWrapper."""
    assert model.class_head is not None
    weights = {f"model.{name}": value for name, value in model.sam.state_dict().items()}
    return {**weights, **{f"classifier.{name}": value for name, value in model.class_head.state_dict().items()}}


def assert_equal(loaded: SamModel, model: SamModel) -> None:
    assert loaded.sizes == model.sizes
    for name, value in model.sam.state_dict().items():
        assert torch.equal(loaded.sam.state_dict()[name], value), name
    image = torch.rand(3, SMALL.image_size, SMALL.image_size) * 255
    frame = [{"image": image, "original_size": (90, 128), "point_coords": torch.rand(2, 1, 2) * 99,
              "point_labels": torch.ones(2, 1)}]  # fmt: skip
    ours, theirs = loaded.sam(frame, True)[0], model.sam(frame, True)[0]
    assert torch.equal(ours["iou_predictions"], theirs["iou_predictions"])
    assert torch.equal(ours["masks"], theirs["masks"])


def test_official(model: SamModel, tmp_path: Path) -> None:
    torch.save(model.sam.state_dict(), tmp_path / "sam.pth")
    loaded = read_checkpoint(tmp_path / "sam.pth")
    assert_equal(loaded, model)
    assert loaded.class_head is None and loaded.class_names == ()


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("new_format", [True, False])
def test_the_authors(model: SamModel, tmp_path: Path, prefix: str, new_format: bool) -> None:
    weights = {prefix + name: value for name, value in wrapped(model).items()}
    content = {"model": weights, "epoch": 3, "optimizer": {"state": {}, "lr": 1e-3}}
    torch.save(content, tmp_path / "wrapper.pth", _use_new_zipfile_serialization=new_format)
    loaded = read_checkpoint(tmp_path / "wrapper.pth")
    assert_equal(loaded, model)
    assert loaded.class_names == PAPER_CLASSES and loaded.class_head is not None and model.class_head is not None
    assert torch.equal(loaded.class_head.weight, model.class_head.weight)


def test_ours(model: SamModel, tmp_path: Path) -> None:
    names = tuple(f"thing {k}" for k in range(55))
    write_checkpoint(SamModel(model.sam, SMALL, model.class_head, names), tmp_path / "saom.safetensors", {"name": "x"})
    loaded = read_checkpoint(tmp_path / "saom.safetensors")
    assert_equal(loaded, model)
    assert loaded.class_names == names and loaded.metadata["name"] == "x"
    write_checkpoint(loaded, tmp_path / "again.safetensors")
    assert_equal(read_checkpoint(tmp_path / "again.safetensors"), model)


@pytest.mark.parametrize(("rows", "names"), [(56, (*PAPER_CLASSES, OTHER)), (2, ("class_0", "class_1"))])
def test_class_names_that_no_header_gives(model: SamModel, tmp_path: Path, rows: int, names: tuple[str, ...]) -> None:
    head = torch.nn.Linear(SMALL.dim, rows)
    torch.save({"model": wrapped(SamModel(model.sam, SMALL, head))}, tmp_path / "other.pth")
    assert read_checkpoint(tmp_path / "other.pth").class_names == names


def test_half_precision_weights(model: SamModel, tmp_path: Path) -> None:
    torch.save({name: value.half() for name, value in model.sam.state_dict().items()}, tmp_path / "half.pth")
    assert {p.dtype for p in read_checkpoint(tmp_path / "half.pth").sam.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_official_sizes_follow_from_the_shapes(name: str) -> None:
    with torch.device("meta"):
        weights = sam_model_registry[name]().state_dict()
    sizes = sizes_of(weights, name)
    assert sizes == SIZES[name] and sizes.name == name
    built = build_sam(sizes, device="meta").state_dict()
    assert {k: v.shape for k, v in built.items()} == {k: v.shape for k, v in weights.items()}


def changed(model: SamModel, **changes: Any) -> dict[str, Any]:
    """The official state dict with weights replaced (a tensor) or left out (None); `__` stands for a dot."""
    weights = dict(model.sam.state_dict())
    for name, value in changes.items():
        weights.pop(name.replace("__", "."), None)
        if value is not None:
            weights[name.replace("__", ".")] = value
    return weights


def test_wrong_networks_are_refused(model: SamModel, tmp_path: Path) -> None:
    nan = torch.full((1, SMALL.dim), torch.nan)
    cases: list[tuple[Any, str]] = [
        (changed(model, mask_decoder__iou_token__weight=None), "mask_decoder.iou_token.weight is missing"),
        (changed(model, image_encoder__neck__0__weight=None), "1 are missing: image_encoder.neck.0.weight"),
        (changed(model, mask_decoder__hf_token__weight=torch.ones(1, 64)), "unknown.*mask_decoder.hf_token.weight"),
        (changed(model, prompt_encoder__no_mask_embed__weight=torch.ones(1, 7)), r"no_mask_embed.weight \(1, 7\)"),
        (changed(model, image_encoder__pos_embed=torch.ones(3)), "another rank"),
        (changed(model, prompt_encoder__no_mask_embed__weight=nan), "NaN"),
        ({"layer.weight": torch.ones(2, 2)}, "expected the weights of a SAM image encoder"),
        ({}, "expected a state dict"),
        ([1, 2], "got a list"),
        ({"state": {"epoch": 3}}, "got a dict with keys state"),
        ({"model": {**wrapped(model), "classifier.weight": torch.ones(55, 3)}}, r"classifier.weight \(classes, 64\)"),
        ({"model": {**wrapped(model), "classifier.bias": torch.ones(54)}}, "55 rows"),
        ({"model": {**wrapped(model), "classifier.bias": torch.full((55,), torch.inf)}}, "numbers in classifier.bias:"),
        ({"model": {**wrapped(model), "classifier.weight": nan.expand(55, -1)}}, "numbers in classifier.weight:"),
    ]
    for content, message in cases:
        torch.save(content, tmp_path / "wrong.pth")
        with pytest.raises(ModelError, match=message):
            read_checkpoint(tmp_path / "wrong.pth")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"class_names": json.dumps(["a", "b"])}, "JSON list of 55 class names"),
        ({"class_names": "no json"}, "JSON list of 55 class names"),
        ({"decoder_heads": "many"}, "positive number of decoder_heads"),
        ({"decoder_heads": "7"}, "widths that the heads divide"),
    ],
)
def test_wrong_headers_are_refused(model: SamModel, tmp_path: Path, header: dict[str, str], message: str) -> None:
    weights = {name: value.contiguous() for name, value in wrapped(model).items()}
    safetensors.torch.save_file(weights, str(tmp_path / "wrong.safetensors"), header)
    with pytest.raises(ModelError, match=message):
        read_checkpoint(tmp_path / "wrong.safetensors")


def test_files_that_are_no_checkpoints_are_refused(model: SamModel, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is none"):
        read_checkpoint(tmp_path / "nowhere.pth")
    with pytest.raises(ModelError, match="a folder is there"):
        read_checkpoint(tmp_path)
    for name, content in (
        ("page.pth", b"<!DOCTYPE html>"),
        ("pointer.pth", b"version https://git-lfs"),
        ("e.pth", b""),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=r"expected a .pth or .safetensors checkpoint"):
            read_checkpoint(tmp_path / name)
    torch.save(model.sam.state_dict(), tmp_path / "whole.pth")
    torch.save(model.sam.state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    write_checkpoint(model, tmp_path / "whole.safetensors")
    for name in ("whole.pth", "old.pth", "whole.safetensors"):
        data = (tmp_path / name).read_bytes()
        for part in (0.1, 0.6, 0.999):
            (tmp_path / f"cut-{name}").write_bytes(data[: int(part * len(data))])
            with pytest.raises(ModelError, match="truncated|broken"):
                read_checkpoint(tmp_path / f"cut-{name}")
