"""Every recipe in two real processes, as `torchrun` starts them; those of SAM's decoder are in `test_sam_processes`."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from sam_scenes import losses, one_thread, write_data  # noqa: F401
from torchrun import DIES, ended, output_of

from saom_core.runtime import BUNDLED_MODEL
from saom_training.networks.checkpoint import load_network_and_record

pytestmark = pytest.mark.slow

FIXED_NORMS = """
import sys, torch

# batch norms average over the images of one process: with fixed statistics nothing depends on how a batch is spread
torch.nn.BatchNorm2d.train = lambda self, mode=True: torch.nn.Module.train(self, False)
from saom_cli.main import main
sys.exit(main(sys.argv[1:]))
"""
LATE = """
import os, sys, time
from pathlib import Path

is_file, asked = Path.is_file, []

def seen_late(path):  # the second process: the record of the run comes between its first look and its next one
    if path.name != "config.json" or os.environ["RANK"] == "0":
        return is_file(path)
    asked.append(path)
    while len(asked) > 1 and not is_file(path):
        time.sleep(0.05)
    return len(asked) > 1

Path.is_file = seen_late
from saom_cli.main import main
sys.exit(main(sys.argv[1:]))
"""
OTHER = """
import os, sys

if os.environ["RANK"] == "1":  # another machine: what it has under the same name is not the same
    sys.argv = [word.replace("shared", "own") for word in sys.argv]
from saom_cli.main import main
sys.exit(main(sys.argv[1:]))
"""
TINY = ["--size", "96x64", "--warmup-steps", "1"]
RECIPES = {
    "tiny": TINY,
    "names": ["--classes-only", "--init", str(BUNDLED_MODEL), "--dropout", "0", "--warmup-steps", "1"],
    "scores": ["--scores-only", "--init", str(BUNDLED_MODEL), "--score-dropout", "0", "--score-pictures", "4", *TINY],
    "base": ["--recipe", "base", "--image-size", "64", "--dim", "64", "--decoder-heads", "4", "--warmup-steps", "1"]
    + ["--learning-rate", "2e-3"],  # the usual quarter of it hardly moves the dice loss in three steps
}


def weights(out: Path) -> dict[str, torch.Tensor]:
    folder = out / "last" / "weights.safetensors"
    return safetensors.torch.load_file(folder if folder.exists() else out / "last.safetensors")


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_learn_what_one_learns_with_twice_the_batch(tmp_path: Path, recipe: str) -> None:
    data = write_data(tmp_path / "data")
    (tmp_path / "fixed.py").write_text(FIXED_NORMS)
    steps = {"names": "--class-steps", "scores": "--score-steps"}.get(recipe, "--steps")
    common = ["finetune", "--data", str(data), "--threads", "1", "--no-bf16", "--workers", "0", steps, "3"]
    # with AdamW's usual epsilon a gradient of nearly nothing moves a weight as far as any other one, so that the order
    # in which gradients are added up, which differs, would decide where it goes
    common += ["--adam-epsilon", "1e-3", *RECIPES[recipe]]
    for name, processes, batch in (("alone", 1, "4"), ("two", 2, "2")):
        said = output_of(
            processes, str(tmp_path / "fixed.py"), *common, "--batch", batch, "--out", str(tmp_path / name)
        )
        assert said.count("checkpoint:") == 1
    alone, two = weights(tmp_path / "alone"), weights(tmp_path / "two")
    term = {"names": "classes", "scores": "scores"}.get(recipe, "dice")
    for name in ("total", term):
        expected = losses(tmp_path / "alone", name)
        assert losses(tmp_path / "two", name) == pytest.approx(expected, rel=1e-4), name
        assert expected[1] != pytest.approx(expected[0], rel=2e-4), "weights have changed"
    assert alone.keys() == two.keys()
    for name, value in alone.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=3e-4, msg=name)


def test_a_saom_tiny_that_is_killed_in_two_processes_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    """With batch norms of each process's own images. The checkpoint's weights come, the state beside them does not."""
    data = write_data(tmp_path / "data")
    (tmp_path / "dies.py").write_text(DIES)
    words = ["finetune", "--data", str(data), "--threads", "1", "--batch", "2", "--workers", "0", *TINY]
    words += ["--steps", "4", "--checkpoint-every", "2"]
    output_of(2, str(tmp_path / "dies.py"), "1000", *words, "--out", str(tmp_path / "whole"))
    with pytest.raises(AssertionError):
        output_of(2, str(tmp_path / "dies.py"), "5", *words, "--out", str(tmp_path / "cut"))
    assert torch.load(tmp_path / "cut" / "resume.pt", weights_only=True)["step"] == 2
    output_of(2, str(tmp_path / "dies.py"), "1000", *words, "--out", str(tmp_path / "cut"))
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(cut[name], value) for name, value in whole.items())
    assert load_network_and_record(tmp_path / "cut" / "last")[1]["steps"] == 4


def test_the_second_process_does_not_take_a_run_that_is_begun_for_another_one(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    (tmp_path / "late.py").write_text(LATE)
    words = ["finetune", "--data", str(data), "--threads", "1", "--batch", "2", "--workers", "0", *TINY]
    words += ["--out", str(tmp_path / "run"), "--steps", "1"]
    assert output_of(2, str(tmp_path / "late.py"), *words).count("checkpoint:") == 1
    refused = ended(2, str(tmp_path / "late.py"), *words, "--learning-rate", "1e-4")
    assert refused.returncode != 0
    assert refused.stderr.count("expected the run to go on with {'config.learning_rate': ") == 1, "by the first alone"


def test_processes_that_do_not_train_on_the_same_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(OTHER)
    data = [str(write_data(tmp_path / name, frames=frames)) for name, frames in (("shared", 4), ("own", 2))]
    words = ["finetune", "--threads", "1", "--batch", "1", "--workers", "0", *TINY]
    run = ["--out", str(tmp_path / "shared_run")]
    refused = ended(2, str(tmp_path / "other.py"), *words, "--data", data[0], *run, "--steps", "1")
    assert refused.returncode != 0
    assert "expected the same data and options in all 2 processes, got data " in refused.stderr
    assert "images 4, 2" in refused.stderr
    whole = [*words, "--data", str(write_data(tmp_path / "whole", frames=4)), *run]
    output_of(2, str(tmp_path / "other.py"), *whole, "--steps", "1")
    refused = ended(2, str(tmp_path / "other.py"), *whole, "--steps", "2")
    assert refused.returncode != 0
    assert "expected all processes to go on from the same step, got 1, 0" in refused.stderr
