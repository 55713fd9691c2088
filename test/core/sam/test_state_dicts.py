"""Checkpoints as other people's training scripts write them, and files that would run code."""

from __future__ import annotations

import argparse
import builtins
import os
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything")

from sam_scenes import TINY, one_thread, tiny_model  # noqa: E402, F401

from saom_cli.main import main  # noqa: E402
from saom_core.config import SaomConfig  # noqa: E402
from saom_core.errors import ModelError  # noqa: E402
from saom_core.loading import load_segmenter  # noqa: E402
from saom_core.sam.checkpoints import read_checkpoint, write_checkpoint  # noqa: E402
from saom_core.sam.network import SamModel  # noqa: E402
from saom_core.sam.state_dicts import bare_name  # noqa: E402
from saom_core.taxonomy import PAPER_CLASSES  # noqa: E402

PREFIXES = ["", "module.", "sam.", "model.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod.model.", "model.sam."]


class SamWrapper(torch.nn.Module):
    """As the authors' one: the network under `model`, the class layer under `classifier`."""

    def __init__(self, sam: torch.nn.Module) -> None:
        super().__init__()
        self.model = sam
        self.classifier = torch.nn.Linear(TINY.dim, 55)


@pytest.fixture
def wrapper() -> SamWrapper:
    return SamWrapper(tiny_model().sam.requires_grad_(True))


def arguments(*words: str) -> argparse.Namespace:
    """Options of a training script, and what such scripts put beside them once they run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--outdir", type=Path, default=Path("runs") / "x")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--resume", default="")
    args = parser.parse_args(words)
    args.distributed, args.gpu, args.dist_backend, args.device = True, 0, "nccl", torch.device("cpu")
    args.windows = PureWindowsPath("C:/runs")
    return args


def training_state(wrapper: SamWrapper) -> dict[str, Any]:
    """What the authors' training saves after an epoch, with the best figures so far as evaluation computes them."""
    optimizer = torch.optim.AdamW(wrapper.parameters(), lr=1e-3, eps=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 500)
    wrapper.classifier(torch.ones(1, TINY.dim)).sum().backward()
    optimizer.step()
    schedule.step()
    return {
        "model": wrapper.state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": schedule.state_dict(),
        "epoch": 3,
        "args": arguments("--lr", "0.002"),
        "best": {"mIoU": np.float64(0.5), "mAcc": np.mean(np.ones(3, np.float32)), "epoch": np.int64(2)},
        "better": np.bool_(True),
        "per_class": np.arange(55, dtype=np.float32),
    }


def assert_holds(loaded: SamModel, wrapper: SamWrapper) -> None:
    for name, value in wrapper.model.state_dict().items():
        assert torch.equal(loaded.sam.state_dict()[name], value), name
    assert loaded.class_head is not None and loaded.class_names == PAPER_CLASSES
    assert torch.equal(loaded.class_head.weight, wrapper.classifier.weight)
    assert torch.equal(loaded.class_head.bias, wrapper.classifier.bias)


@pytest.mark.parametrize("zipped", [True, False])
def test_the_authors_file_loads_whole_as_their_training_saves_it(
    wrapper: SamWrapper, tmp_path: Path, zipped: bool
) -> None:
    torch.save(training_state(wrapper), tmp_path / "checkpoint.pth", _use_new_zipfile_serialization=zipped)
    before = set(torch.serialization.get_safe_globals())
    assert_holds(read_checkpoint(tmp_path / "checkpoint.pth"), wrapper)
    assert set(torch.serialization.get_safe_globals()) == before  # the process trusts nothing more than it did


@pytest.mark.parametrize("module", ["numpy.core", "numpy._core"])
def test_numbers_that_either_numpy_wrote(wrapper: SamWrapper, tmp_path: Path, module: str) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(training_state(wrapper), path, _use_new_zipfile_serialization=False)
    written = path.read_bytes()
    here = np.float64(0).__reduce__()[0].__module__.removesuffix(".multiarray")
    assert b"c%s.multiarray\nscalar\n" % here.encode() in written
    path.write_bytes(written.replace(f"c{here}.multiarray\n".encode(), f"c{module}.multiarray\n".encode()))
    assert_holds(read_checkpoint(path), wrapper)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("key", ["model", "state_dict", None])
def test_every_wrapper_s_names(wrapper: SamWrapper, tmp_path: Path, prefix: str, key: str | None) -> None:
    weights = {prefix + name: value for name, value in wrapper.state_dict().items()}
    # as Lightning's Trainer.save_checkpoint writes it
    around = {"epoch": 1, "global_step": 9, "pytorch-lightning_version": "2.4.0", "loops": {}, "callbacks": {}}
    around |= {"optimizer_states": [], "hparams_name": "kwargs", "hyper_parameters": {"lr": 1e-3}}
    torch.save({**around, key: weights} if key else weights, tmp_path / "wrapped.ckpt")
    assert_holds(read_checkpoint(tmp_path / "wrapped.ckpt"), wrapper)


def test_real_wrappers_names(wrapper: SamWrapper) -> None:
    """torch.compile, of all or of a part, and DataParallel put the prefixes there themselves."""
    wanted = {bare_name(name) for name in wrapper.state_dict()}
    assert "image_encoder.pos_embed" in wanted and "classifier.bias" in wanted
    for wrapped in (torch.nn.DataParallel(wrapper), torch.compile(wrapper)):
        names = list(wrapped.state_dict())
        assert not wanted & set(names) and {bare_name(name) for name in names} == wanted
    wrapper.model.image_encoder = torch.compile(wrapper.model.image_encoder)
    assert {bare_name(name) for name in wrapper.state_dict()} == wanted


def test_two_networks_in_one_file_are_refused(wrapper: SamWrapper, tmp_path: Path) -> None:
    weights = wrapper.state_dict()
    both = {**weights, "module.model.mask_decoder.iou_token.weight": weights["model.mask_decoder.iou_token.weight"]}
    torch.save(both, tmp_path / "two.pth")
    with pytest.raises(ModelError, match="expected one network, got two: model.mask_decoder.iou_token.weight and mod"):
        read_checkpoint(tmp_path / "two.pth")


class Called:
    """Unpickling it would call a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("function", "name"), [(os.system, r"\w+.system"), (builtins.eval, "eval"), (os.mkdir, r"\w+.mkdir")]
)
@pytest.mark.parametrize("place", ["model", "args", "best"])
def test_a_file_that_would_run_code_is_refused_by_name(
    wrapper: SamWrapper, tmp_path: Path, zipped: bool, function: Any, name: str, place: str
) -> None:
    """Beside weights that are fine, and inside of types that are allowed."""
    witness = tmp_path / "witness"
    argument = {os.system: f"touch {witness}", builtins.eval: f"open({str(witness)!r}, 'w')"}.get(function, witness)
    trap = Called(function, argument)
    content = training_state(wrapper)
    content[place] = argparse.Namespace(trap=trap) if place == "args" else trap
    torch.save(content, tmp_path / "trap.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=rf"holds a ({name}).*: it is not loaded") as refused:
        read_checkpoint(tmp_path / "trap.pth")
    assert "\x1b" not in str(refused.value) and "\n" not in str(refused.value)
    assert not witness.exists()


class OfTheirs:
    """A type of somebody's training script."""


def test_the_type_that_is_not_allowed_is_named_to_the_user(
    wrapper: SamWrapper, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({**training_state(wrapper), "logger": OfTheirs()}, tmp_path / "theirs.pth")
    assert main(["info", str(tmp_path / "theirs.pth")]) == 1
    error = capsys.readouterr().err
    assert f"holds a {OfTheirs.__module__}.OfTheirs" in error and "\x1b" not in error and "Traceback" not in error


def test_what_was_loaded_can_be_written_and_loaded_again(wrapper: SamWrapper, tmp_path: Path) -> None:
    torch.save(training_state(wrapper), tmp_path / "checkpoint.pth")
    write_checkpoint(read_checkpoint(tmp_path / "checkpoint.pth"), tmp_path / "ours.safetensors")
    assert_holds(read_checkpoint(tmp_path / "ours.safetensors"), wrapper)


@pytest.mark.parametrize(
    "name", ["last.ckpt", "weights.bin", "checkpoint.pth.tar", "OFFICIAL.PTH", "official", "safe", "SAFE.SAFETENSORS"]
)
def test_a_checkpoint_is_known_whatever_its_name(
    wrapper: SamWrapper, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = tmp_path / name
    if name.lower().startswith("safe"):
        write_checkpoint(tiny_model(), path)
    else:
        torch.save({"state_dict": wrapper.state_dict()}, path, _use_new_zipfile_serialization=name != "official")
    assert load_segmenter(SaomConfig(model=str(path), provider="cpu", threads=1)).info.path == str(path)
    assert main(["info", str(path)]) == 0
    assert "longer side 64 RGB" in capsys.readouterr().out


def test_a_program_of_torchscript_is_told_from_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "mobile.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    with pytest.raises(ModelError, match=r"got a program of TorchScript .*: save the state_dict\(\)"):
        read_checkpoint(path)
