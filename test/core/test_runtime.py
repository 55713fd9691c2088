"""Loading models: the bundled one works and says what it is; broken files and missing providers are refused clearly."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saom_core.runtime as runtime
from saom_core.config import SaomConfig
from saom_core.errors import ModelError
from saom_core.loading import load_segmenter
from saom_core.model_file.contract import METADATA_KEY, OUTPUTS
from saom_core.model_file.metadata import with_entry, without_entry
from saom_core.model_file.tensorrt_cache import cache_folder, cache_options
from saom_core.runtime import BUNDLED_MODEL, OnnxModel
from saom_core.taxonomy import OTHER, PAPER_CLASSES

OTHER_SIGNATURE = bytes.fromhex(
    "08083a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f0a0179120a0a08080112040a02080142040a00100d"
)
"""A valid ONNX file, made with onnx.helper, whose only node is Identity: (1,) float -> (1,) float."""


def test_bundled_model_says_what_it_is() -> None:
    info = OnnxModel().info
    assert info.name == "saom-tiny" and info.class_names == (*PAPER_CLASSES, OTHER)
    assert info.provider == "cpu" and info.uses_depth and info.metadata["license"] == "Apache-2.0"
    assert BUNDLED_MODEL.stat().st_size <= 20e6


def test_ten_lines_of_plain_onnxruntime() -> None:
    import onnxruntime as ort

    session = ort.InferenceSession(str(BUNDLED_MODEL), providers=["CPUExecutionProvider"])
    height, width, _ = session.get_inputs()[0].shape
    image = np.full((height, width, 3), 128, np.uint8)
    # depth and thresholds have defaults in the file
    answer = dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"image": image}), strict=True))
    rows = len(answer["scores"])
    assert all(len(answer[name]) == rows for name in OUTPUTS if name != "image_embedding")
    assert (np.diff(answer["scores"]) <= 0).all()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="got none"):
        OnnxModel(str(tmp_path / "none.onnx"))


@pytest.mark.parametrize("kept", [0, 100, 0.5])
def test_truncated_file(tmp_path: Path, kept: float) -> None:
    data = BUNDLED_MODEL.read_bytes()
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(data[: int(kept * len(data)) if kept < 1 else int(kept)])
    with pytest.raises(ModelError, match="expected"):
        OnnxModel(str(broken))


def test_not_onnx(tmp_path: Path) -> None:
    text = tmp_path / "model.onnx"
    text.write_text("this is a page of an online shop, not a model", encoding="utf-8")
    with pytest.raises(ModelError, match="ONNX model"):
        OnnxModel(str(text))


def test_another_signature(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(OTHER_SIGNATURE)
    with pytest.raises(ModelError, match="saom export"):
        OnnxModel(str(path))


@pytest.mark.parametrize("entry", [None, "no JSON", "{}", '{"class_names": "Mug"}'])
def test_wrong_metadata(tmp_path: Path, entry: str | None) -> None:
    model = without_entry(BUNDLED_MODEL.read_bytes(), METADATA_KEY)
    path = tmp_path / "plain.onnx"
    path.write_bytes(model if entry is None else with_entry(model, METADATA_KEY, entry))
    with pytest.raises(ModelError, match="metadata"):
        OnnxModel(str(path))


def test_damaged_bundled_file_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(BUNDLED_MODEL.parent, tmp_path / "models")
    copy = Path(folder) / BUNDLED_MODEL.name
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(bytes(data))
    monkeypatch.setattr(runtime, "BUNDLED_MODEL", copy)
    with pytest.raises(ModelError, match="SHA-256"):
        OnnxModel()


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_provider_that_is_not_installed(provider: str) -> None:
    import onnxruntime as ort

    if any(provider in name.lower() for name in ort.get_available_providers()):
        pytest.skip(f"{provider} is installed here")
    with pytest.raises(ModelError, match="onnxruntime-gpu"):
        OnnxModel(provider=provider)


def test_auto_falls_back_loudly_where_cuda_is_installed_but_does_not_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import onnxruntime as ort

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        # what onnxruntime-gpu says on a machine without a driver; the session is opened in earnest
        monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    elif OnnxModel().info.provider == "cuda":
        pytest.skip("CUDA works here")
    info = OnnxModel(provider="auto").info
    assert (info.provider, info.provider_requested) == ("cpu", "auto") and "cuda" in info.fallback_reason
    assert any(record.levelname == "WARNING" and "RUNNING ON THE CPU" in record.message for record in caplog.records)
    with pytest.raises(ModelError, match="mend the installation"):
        OnnxModel(provider="cuda")


def test_loader_refuses_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises((ModelError, ModuleNotFoundError)):
        load_segmenter(SaomConfig(model=str(tmp_path / "sam_vit_b.pth")))


class TensorRt:
    """Stands in for an onnxruntime with TensorRT: it "builds" an engine file where it is told to keep one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.built = 0
        self.providers: list[tuple[str, dict[str, object]]] = []
        real = runtime.ort.InferenceSession
        rt = self

        class Session(real):  # type: ignore[misc, valid-type]
            def __init__(self, path: str, options: object, *, providers: list[Any], enable_fallback: int = 1) -> None:
                super().__init__(path, options, providers=["CPUExecutionProvider"])
                try:
                    rt.start(providers)
                except (ValueError, RuntimeError):  # onnxruntime's own wrapper prints these and goes on
                    if enable_fallback:
                        rt.providers = []
                        return
                    raise

            def get_providers(self) -> list[str]:
                return [name for name, _ in rt.providers] or ["CPUExecutionProvider"]

        monkeypatch.setattr(runtime.ort, "InferenceSession", Session)
        monkeypatch.setattr(runtime.ort, "get_available_providers", lambda: list(self.available))

    available = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")  # as onnxruntime-gpu has

    def start(self, providers: list[tuple[str, dict[str, object]]]) -> None:
        self.providers = providers
        name, settings = providers[0]
        assert name == "TensorrtExecutionProvider"
        folder = str(settings["trt_engine_cache_path"]) if settings.get("trt_engine_cache_enable") else ""
        engine = Path(folder) / "graph_sm90.engine" if folder else None
        if engine is None or not engine.exists():
            self.built += 1
            if engine is not None:
                engine.write_text("engine")
        elif engine.read_text() != "engine":
            raise RuntimeError("could not deserialize engine from cache")


@pytest.mark.slow
def test_tensorrt_builds_its_engine_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    stand_in = TensorRt(monkeypatch)
    for _ in range(3):
        assert OnnxModel(provider="tensorrt").info.provider == "tensorrt"
    assert stand_in.built == 1
    [engine] = (tmp_path / "cache").rglob("*.engine")
    assert stand_in.providers == [
        (
            "TensorrtExecutionProvider",
            {
                "trt_engine_cache_enable": True,
                "trt_engine_cache_path": str(engine.parent),
                "trt_timing_cache_enable": True,
                "trt_timing_cache_path": str(engine.parent),
            },
        ),
        ("CUDAExecutionProvider", {}),
        ("CPUExecutionProvider", {}),
    ]
    other = tmp_path / "other.onnx"  # other weights, or metadata, are another model
    other.write_bytes(with_entry(BUNDLED_MODEL.read_bytes(), "more", "text"))
    OnnxModel(str(other), "tensorrt")
    assert stand_in.built == 2
    monkeypatch.setattr(runtime.ort, "__version__", "99.0")
    OnnxModel(provider="tensorrt")
    assert stand_in.built == 3


def test_an_engine_that_tensorrt_cannot_use_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    stand_in = TensorRt(monkeypatch)
    OnnxModel(provider="tensorrt")
    [engine] = tmp_path.rglob("*.engine")
    engine.write_text("half an eng")  # killed while writing, or of another TensorRT
    OnnxModel(provider="tensorrt")
    assert stand_in.built == 2 and engine.read_text() == "engine"


def test_without_a_place_for_engines_tensorrt_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    stand_in = TensorRt(monkeypatch)
    assert OnnxModel(provider="tensorrt").info.provider == "tensorrt"
    assert stand_in.providers[0][1] == {} and "at every start" in caplog.text


def test_tensorrt_without_cuda_leaves_the_rest_to_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    stand_in = TensorRt(monkeypatch)
    stand_in.available = ("TensorrtExecutionProvider", "CPUExecutionProvider")
    assert OnnxModel(provider="tensorrt").info.provider == "tensorrt"
    assert [name for name, _ in stand_in.providers] == ["TensorrtExecutionProvider", "CPUExecutionProvider"]


def test_onnxruntime_takes_the_options_as_texts_that_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own reader of `providers` turns them into what its C++ side compares with "True"."""
    from onnxruntime.capi.onnxruntime_inference_collection import check_and_normalize_provider_args

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    options = cache_options(BUNDLED_MODEL)
    names, texts = check_and_normalize_provider_args(
        [("TensorrtExecutionProvider", options)], None, ["TensorrtExecutionProvider"]
    )
    folder = str(cache_folder(BUNDLED_MODEL))
    assert names == ["TensorrtExecutionProvider"] and Path(folder).is_dir()
    assert texts == [
        {
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": folder,
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": folder,
        }
    ]


def test_a_tensorrt_that_fails_without_kept_engines_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    stand_in = TensorRt(monkeypatch)

    def fail(*_: object) -> None:
        raise RuntimeError("libnvinfer.so.10: cannot open shared object file")

    stand_in.start = fail  # type: ignore[method-assign]
    with pytest.raises(ModelError, match=r"provider tensorrt: tensorrt: libnvinfer.so.10"):
        OnnxModel(provider="tensorrt")
