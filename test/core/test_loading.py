"""Which segmenters share a network, and when it leaves the memory."""

from __future__ import annotations

import gc
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from saom_core import runtime
from saom_core.config import SaomConfig
from saom_core.errors import ModelError
from saom_core.everything import OnnxSegmenter
from saom_core.loading import Models, is_checkpoint
from saom_core.naming.classifier import NAMES_MODEL
from saom_core.pictures.photos import read_photo
from saom_core.runtime import BUNDLED_MODEL

CONFIG = SaomConfig(provider="cpu", threads=1)
IMAGE_RGB = read_photo(Path(__file__).resolve().parents[1] / "sequence" / "image_000.jpg")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files of the sessions that are made."""
    files: list[Path] = []
    session = runtime.ort.InferenceSession

    def counted(file: str, *args: object, **kwargs: object) -> object:
        files.append(Path(file))
        return session(file, *args, **kwargs)

    monkeypatch.setattr(runtime.ort, "InferenceSession", counted)
    return files


def test_segmenters_of_one_file_share_its_network_and_the_classifier(loaded: list[Path], tmp_path: Path) -> None:
    models = Models()
    link = tmp_path / "link.onnx"
    link.symlink_to(BUNDLED_MODEL)
    made = [
        models.segmenter(CONFIG.replace(**options))
        for options in (
            {},
            {"score_threshold": 0.9},
            {"vocabulary": "household"},
            {"photo_names": False},
            {"model": str(link)},
        )
    ]
    assert sorted(loaded) == sorted([BUNDLED_MODEL, NAMES_MODEL])
    assert [one.config.score_threshold for one in made[:2]] == [0.5, 0.9]
    assert len(made[2].info.class_names) > len(made[0].info.class_names)


@pytest.mark.parametrize("options", [{"threads": 2}, {"provider": "auto"}])
def test_another_place_to_run_is_another_network(loaded: list[Path], options: dict[str, object]) -> None:
    models = Models()
    made = [models.segmenter(config) for config in (CONFIG, CONFIG.replace(**options))]
    assert len(made) == 2 and loaded.count(BUNDLED_MODEL) == 2


def test_a_network_leaves_with_the_last_of_its_segmenters(loaded: list[Path]) -> None:
    models = Models()
    first, second = (models.segmenter(CONFIG) for _ in range(2))
    del first
    gc.collect()
    third = models.segmenter(CONFIG)
    assert loaded.count(BUNDLED_MODEL) == 1
    del second, third
    gc.collect()
    models.segmenter(CONFIG)
    assert loaded.count(BUNDLED_MODEL) == 2


def test_a_file_that_was_replaced_is_loaded_anew(loaded: list[Path], tmp_path: Path) -> None:
    models, file = Models(), tmp_path / "model.onnx"
    config = CONFIG.replace(model=str(file), photo_names=False)
    shutil.copy(BUNDLED_MODEL, file)
    before = models.segmenter(config)
    shutil.copy(BUNDLED_MODEL, tmp_path / "new.onnx")
    (tmp_path / "new.onnx").replace(file)
    after = models.segmenter(config)
    assert loaded == [file, file] and before.info.name == after.info.name


def test_a_file_is_no_checkpoint_by_chance() -> None:
    assert not is_checkpoint(BUNDLED_MODEL) and not is_checkpoint(NAMES_MODEL) and is_checkpoint(Path("missing.PTH"))


def test_a_checkpoint_folder_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected a model file at .*, got a folder: check the name"):
        Models().segmenter(CONFIG.replace(model=str(tmp_path)))
    (tmp_path / "weights.safetensors").touch()
    with pytest.raises(ModelError, match="got a checkpoint folder .*: make a file of it with `saom export "):
        Models().segmenter(CONFIG.replace(model=str(tmp_path)))


def test_without_torch_a_checkpoint_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("saom_core.sam.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)  # as where it is not installed
    (tmp_path / "x.ckpt").write_bytes(b"PK")
    with pytest.raises(ModelError, match="x.ckpt: a checkpoint needs the package (torch|safetensors), which is not"):
        Models().segmenter(CONFIG.replace(model=str(tmp_path / "x.ckpt")))


@pytest.mark.slow
def test_segmenters_that_share_a_network_answer_by_their_own_options_at_the_same_time() -> None:
    models = Models()
    configs = [CONFIG.replace(score_threshold=threshold, photo_names=False) for threshold in (0.05, 0.8)]
    expected = [OnnxSegmenter(config).segment(IMAGE_RGB).instances for config in configs]
    wrong: list[str] = []

    def answer(k: int) -> None:
        segmenter = models.segmenter(configs[k])
        for _ in range(5):
            found = segmenter.segment(IMAGE_RGB).instances
            if len(found) != len(expected[k]) or not np.allclose(found.scores, expected[k].scores, atol=1e-5):
                wrong.append(f"{configs[k].score_threshold}: {found.scores} for {expected[k].scores}")

    threads = [threading.Thread(target=answer, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert not wrong
    assert len(expected[0]) != len(expected[1])
