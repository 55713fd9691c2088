"""Runs a saom-*.onnx file with onnxruntime: it chooses the provider, checks the file, and makes one call per image.

The file contains all of everything mode: encoder, grid prompts, decoder, filters, removal of duplicates. Only its
inputs, outputs and metadata are known here; `saom_core/model_file/contract.py` lists them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from saom_core.errors import ModelError
from saom_core.model_file import tensorrt_cache
from saom_core.model_file.contract import OUTPUTS, check_signature, read_metadata
from saom_core.model_file.metadata import sha256_without_entry
from saom_core.model_file.reference import REFERENCE_KEY, ReferenceObjects
from saom_core.model_file.taught import TAUGHT_KEY, TaughtClass, descriptor_size, from_json

logger = logging.getLogger("saom")

BUNDLED_MODEL = Path(__file__).parent / "models" / "saom-tiny.onnx"

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_BELOW = {"cpu": (), "cuda": ("cpu",), "tensorrt": ("cuda", "cpu")}
"""What runs the operators that a provider lacks, in this order."""


@dataclass(frozen=True)
class ModelInfo:
    """What a loaded model is and where it runs."""

    name: str
    path: str
    class_names: tuple[str, ...]  # trained ones first, then taught ones; empty: the model gives no names
    provider: str  # in use: cpu, cuda or tensorrt
    provider_requested: str
    fallback_reason: str  # why a GPU is not used; empty: there was no fall-back
    input_size_hw: tuple[int, int]
    uses_depth: bool
    metadata: dict[str, Any] = field(default_factory=dict)
    taught: tuple[TaughtClass, ...] = ()  # their class ids are the last ones
    reference: ReferenceObjects | None = None  # examples of the trained classes, if the file has any
    prompt_count: int = 0  # rows of the file's input `prompts`; 0: it has none
    most_instances: int = 0  # rows of its answer; 0: as many as there are
    outputs: tuple[str, ...] = OUTPUTS  # those that the model gives

    def check_output(self, name: str, purpose: str) -> None:
        """Checks that an optional output is there.

        Args:
            name: of `OPTIONAL_OUTPUTS`.
            purpose: what it is needed for, for the message.

        Raises:
            ModelError: the file lacks it.
        """
        if name not in self.outputs:
            raise ModelError(
                f"{self.path}: expected the output {name}, which is needed for {purpose}, got a file without it: "
                "export it anew with `saom export`"
            )


class OnnxModel:
    """A saom-*.onnx file in an onnxruntime session.

    Args:
        path: the file; empty: the bundled saom-tiny, whose hash is checked.
        provider: auto, cpu, cuda or tensorrt. An explicit provider that cannot be used is refused; auto takes CUDA
            where it works, else the CPU, and logs a warning when an installed CUDA failed. auto never takes TensorRT,
            which builds an engine for minutes at the first start.
        threads: CPU threads; 0: one per core.

    Raises:
        ModelError: the file is missing, broken, of another signature, or the provider cannot be used.
    """

    def __init__(self, path: str = "", provider: str = "auto", threads: int = 0) -> None:
        file = Path(path).expanduser() if path else BUNDLED_MODEL
        check_file(file, bundled=not path)
        self._session, in_use, reason = open_session(file, provider, threads)
        size_hw, inputs = check_signature(self._session, file)
        self._inputs = frozenset(inputs)
        metadata = read_metadata(self._session, file)
        taught, reference = _read_taught(self._session, file)
        there = {node.name for node in self._session.get_outputs()}
        self.info = ModelInfo(
            name=str(metadata.get("name", file.stem)),
            path=str(file),
            class_names=(*metadata["class_names"], *(one.name for one in taught)),
            provider=in_use,
            provider_requested=provider,
            fallback_reason=reason,
            input_size_hw=size_hw,
            uses_depth="depth" in inputs,
            prompt_count=inputs["prompts"].shape[0] if "prompts" in inputs else 0,
            most_instances=_rows_of(self._session),
            metadata=metadata,
            taught=taught,
            reference=reference,
            outputs=tuple(name for name in OUTPUTS if name in there),
        )

    def run(
        self,
        image_rgb: npt.NDArray[np.uint8],
        depth_m: npt.NDArray[np.float32],
        thresholds: dict[str, float],
        prompts_xy: npt.NDArray[np.float32] | None = None,
        further: Mapping[str, npt.NDArray[np.float32]] | None = None,
    ) -> dict[str, npt.NDArray[Any]]:
        """Everything mode on one image of the file's input size.

        Args:
            image_rgb: (H, W, 3) uint8.
            depth_m: (H, W) float32, metres, 0 = invalid; ignored by a model without depth.
            thresholds: values for some of `THRESHOLDS`.
            prompts_xy: (N, 2) points to ask about, in pixels of the input image, N = `info.prompt_count`; None: the
                grid over the whole input, which is everything mode.
            further: more inputs by name, see `saom_core.everything.FURTHER_INPUTS`; those that the file lacks are left
                out, and what is not given has the default in the file.

        Returns:
            `info.outputs` by name, K rows each, K fixed by the file; rows with score 0 are padding. masks (K, h, w)
            float32 logits that cover the input image; boxes (K, 4) xyxy and points (K, 2) in its pixels; embeddings
            (K, E) of what the masks cover. image_embedding (D, h', w') is the image's, without rows.
        """
        feed: dict[str, npt.NDArray[Any]] = {"image": image_rgb}
        if self.info.uses_depth:
            feed["depth"] = depth_m
        if prompts_xy is not None:
            feed["prompts"] = prompts_xy
        feed.update({name: value for name, value in (further or {}).items() if name in self._inputs})
        feed.update({name: np.array(value, np.float32) for name, value in thresholds.items()})
        names = self.info.outputs
        return dict(zip(names, self._session.run(list(names), feed), strict=True))


def check_file(file: Path, *, bundled: bool) -> None:
    """Checks that a model file is there, and that a bundled one is as its line in SHA256SUMS says.

    Raises:
        ModelError: it is missing or damaged.
    """
    if not file.is_file():
        if (file / "weights.safetensors").is_file():
            raise ModelError(
                f"expected a model file at {file}, got a checkpoint folder of `saom finetune`: make a file of it with "
                f"`saom export {file} mine.onnx`"
            )
        remedy = "reinstall the package" if bundled else "check the name, or leave `model` out for saom-tiny"
        raise ModelError(f"expected a model file at {file}, got {'a folder' if file.is_dir() else 'none'}: {remedy}")
    if bundled:
        lines = (file.parent / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
        expected = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}.get(file.name)
        actual = hashlib.sha256(file.read_bytes()).hexdigest()
        if actual != expected:
            raise ModelError(f"{file}: expected SHA-256 {expected}, got {actual}: the file is damaged, reinstall")


def open_session(file: Path, provider: str, threads: int) -> tuple[ort.InferenceSession, str, str]:
    """The session, the provider in use, and why it fell back ("" if it did not).

    Args:
        file: the model.
        provider: see `OnnxModel`.
        threads: see `OnnxModel`.

    Raises:
        ModelError: the file cannot be loaded, or the provider cannot be used.
    """
    available = ort.get_available_providers()
    if provider != "auto" and _PROVIDERS[provider] not in available:
        raise ModelError(
            f"provider {provider}: expected an onnxruntime with {_PROVIDERS[provider]}, got one with "
            f"{', '.join(available)}: pip install onnxruntime-gpu, or set provider to auto or cpu"
        )
    wishes = [provider] if provider != "auto" else [p for p in ("cuda", "cpu") if _PROVIDERS[p] in available]
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # by default threads spin while they wait for each other; beside other busy processes that doubles the latency
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    reason = ""
    for wish in wishes:
        try:
            session = _started(file, options, wish)
        except Exception as error:  # onnxruntime raises a dozen types that have no common base
            if wish == "cpu":
                raise ModelError(
                    f"{file}: expected an ONNX model that onnxruntime can load, got: {_first_line(error)}"
                ) from error
            reason = f"{wish}: {_first_line(error)}"
            continue
        if session.get_providers()[0] == _PROVIDERS[wish]:
            if reason:
                logger.warning("RUNNING ON THE CPU, expected a GPU: %s", reason)
            return session, wish, reason
        reason = f"{wish} is installed but could not start (driver, CUDA or cuDNN missing?)"
    raise ModelError(f"provider {provider}: {reason}: mend the installation, or set provider to auto or cpu")


def _started(file: Path, options: ort.SessionOptions, wish: str) -> ort.InferenceSession:
    """A session with that provider; what it lacks is run by those `_BELOW` it."""
    if wish != "tensorrt":
        return _session(file, options, wish, {})
    try:
        return _session(file, options, wish, tensorrt_cache.cache_options(file))
    except Exception as error:  # see `open_session`
        if not tensorrt_cache.clear(file):
            raise
        logger.warning("TensorRT cannot use the engine that it kept (%s): it builds it anew", _first_line(error))
    return _session(file, options, wish, tensorrt_cache.cache_options(file))


def _session(file: Path, options: ort.SessionOptions, wish: str, settings: dict[str, object]) -> ort.InferenceSession:
    """A session whose first provider has these settings; it raises where that provider cannot start.

    Left to itself, onnxruntime prints some failures to the standard output and goes on with another provider.
    """
    available = ort.get_available_providers()
    below = [_PROVIDERS[name] for name in _BELOW[wish] if _PROVIDERS[name] in available]
    providers = [(_PROVIDERS[wish], settings), *((name, {}) for name in below)]
    return ort.InferenceSession(str(file), options, providers=providers, enable_fallback=0)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _rows_of(session: ort.InferenceSession) -> int:
    """Rows of the answer; 0 where the file does not fix their number."""
    rows = next(node for node in session.get_outputs() if node.name == "scores").shape[0]
    return rows if isinstance(rows, int) else 0


def _read_taught(session: ort.InferenceSession, file: Path) -> tuple[tuple[TaughtClass, ...], ReferenceObjects | None]:
    """The taught classes, and the examples of trained classes that they must not be confused with."""
    entries = session.get_modelmeta().custom_metadata_map
    taught, reference = entries.get(TAUGHT_KEY), entries.get(REFERENCE_KEY)
    embeddings = next((node for node in session.get_outputs() if node.name == "embeddings"), None)
    size = descriptor_size(embeddings.shape[-1]) if embeddings else 0
    try:
        classes = from_json(taught, sha256_without_entry(file, TAUGHT_KEY), size) if taught else ()
        return classes, ReferenceObjects.from_json(reference, size) if reference and size else None
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from error
