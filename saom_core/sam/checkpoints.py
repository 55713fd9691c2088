"""Reading and writing checkpoints of the SAM family. Needs torch, so nothing on the node's path imports this at load.

Three kinds are read; in each, the sizes of the network follow from the shapes of its weights:

- official (`sam_vit_b_01ec64.pth` and its like): a state dict with segment-anything's names, no class head;
- the SAOM authors' (`torch.load(path)["model"]`): the same names under `model.`, and `classifier.{weight,bias}`; beside
  them the optimizer, the epoch and the script's arguments. Files of Lightning are much the same;
- ours (`.safetensors`): names as the authors', and in the header the class names and what no weight tells.

`state_dicts.py` takes the weights out of a file of any kind and strips what wrappers put before their names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from saom_core.errors import ModelError
from saom_core.files import write_atomically
from saom_core.sam.network import DECODER_HEADS, PIXEL_MEAN, PIXEL_STD, SamModel, SamSizes, build_sam, sizes_of
from saom_core.sam.state_dicts import read_file, some_of, split_weights
from saom_core.taxonomy import OTHER, PAPER_CLASSES

FORMAT = "saom-sam/1"
# entries of the header that tell of an encoder that is no ViT what its weights do not tell
_BACKBONE, _SIZE = "backbone", "image_size"


def read_checkpoint(path: str | Path) -> SamModel:
    """Reads a checkpoint of any of the three kinds, on the CPU, in float32, ready for inference.

    Raises:
        ModelError: the file is missing, truncated, no checkpoint, holds more than plain weights, or weights of another
            network.
    """
    path = Path(path)
    content, metadata = read_file(path)
    weights, head = split_weights(content, path)
    heads = _number(metadata, "decoder_heads", DECODER_HEADS, path)
    image_size = _number(metadata, _SIZE, 1024, path)
    sizes = sizes_of(weights, path, heads, metadata.get(_BACKBONE, ""), image_size)
    sam = build_sam(sizes, device="meta")
    _check_weights(weights, sam, path)
    sam.load_state_dict({name: weights[name].float() for name in sam.state_dict()}, assign=True)
    # Not in any checkpoint, so still on the meta device: the colour statistics.
    sam.pixel_mean = torch.tensor(PIXEL_MEAN).view(-1, 1, 1)
    sam.pixel_std = torch.tensor(PIXEL_STD).view(-1, 1, 1)
    sam.requires_grad_(False).eval()
    class_head = _class_head(head, sizes, path)
    names = _class_names(class_head, metadata, path)
    return SamModel(sam, sizes, class_head, names, metadata)


def write_checkpoint(model: SamModel, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Writes our kind, whole or not at all: safetensors, class names and `metadata` (text to text) in the header."""
    weights = {f"model.{name}": value for name, value in model.sam.state_dict().items()}
    if model.class_head is not None:
        weights |= {f"classifier.{name}": value for name, value in model.class_head.state_dict().items()}
    header = {
        **model.metadata,
        **(metadata or {}),
        "format": FORMAT,
        "class_names": json.dumps(list(model.class_names)),
        "decoder_heads": str(model.sizes.decoder_heads),
    }
    if model.sizes.backbone:
        header |= {_BACKBONE: model.sizes.backbone, _SIZE: str(model.sizes.image_size)}
    content = safetensors.torch.save({name: value.contiguous() for name, value in weights.items()}, header)
    write_atomically(Path(path), content)


def _check_weights(weights: Mapping[str, Tensor], sam: Sam, path: Path) -> None:
    wanted = {name: tuple(value.shape) for name, value in sam.state_dict().items()}
    missing, unknown = sorted(set(wanted) - set(weights)), sorted(set(weights) - set(wanted))
    if missing:
        raise ModelError(
            f"{path}: expected {len(wanted)} weights, {len(missing)} are missing: {some_of(missing)}: "
            "the file is incomplete or of another network"
        )
    if unknown:
        raise ModelError(
            f"{path}: {len(unknown)} weights are unknown to segment-anything's SAM: {some_of(unknown)}: "
            "it is of another network (a variant of SAM), whose masks would be wrong without them"
        )
    other = [
        f"{name} {tuple(weights[name].shape)} instead of {shape}"
        for name, shape in wanted.items()
        if tuple(weights[name].shape) != shape
    ]
    if other:
        raise ModelError(f"{path}: {len(other)} weights have another shape: {some_of(other)}: it is of another network")
    _check_finite({name: weights[name] for name in wanted}, path)


def _check_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    broken = sorted(name for name, value in weights.items() if not bool(torch.isfinite(value).all()))
    if broken:
        raise ModelError(f"{path}: NaN or infinite numbers in {some_of(broken)}: the training diverged; take another")


def _number(metadata: Mapping[str, str], name: str, default: int, path: Path) -> int:
    text = metadata.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise ModelError(f"{path}: expected a positive number of {name} in the header, got {text!r}")
    return int(text)


def _class_head(head: Mapping[str, Tensor], sizes: SamSizes, path: Path) -> nn.Linear | None:
    if not head:
        return None
    weight, bias = head.get("weight"), head.get("bias")
    if weight is None or bias is None or weight.ndim != 2 or weight.shape[1] != sizes.dim:
        shapes = {f"classifier.{name}": tuple(value.shape) for name, value in head.items()}
        raise ModelError(
            f"{path}: expected classifier.weight (classes, {sizes.dim}) and classifier.bias (classes,), got {shapes}"
        )
    if bias.shape != weight.shape[:1]:
        raise ModelError(f"{path}: classifier.weight has {len(weight)} rows, classifier.bias {tuple(bias.shape)}")
    _check_finite({"classifier.weight": weight, "classifier.bias": bias}, path)
    layer = nn.Linear(sizes.dim, len(weight))
    layer.load_state_dict({"weight": weight.float(), "bias": bias.float()})
    return layer.requires_grad_(False).eval()


def _class_names(head: nn.Linear | None, metadata: Mapping[str, str], path: Path) -> tuple[str, ...]:
    if head is None:
        return ()
    rows = head.out_features
    if "class_names" in metadata:
        try:
            names = json.loads(metadata["class_names"])
        except ValueError:
            names = None
        if not isinstance(names, list) or len(names) != rows:
            raise ModelError(
                f"{path}: expected a JSON list of {rows} class names in the header, one per row of the class head, "
                f"got {metadata['class_names'][:80]}"
            )
        return tuple(str(name) for name in names)
    known = {len(names): names for names in (PAPER_CLASSES, (*PAPER_CLASSES, OTHER))}  # ours say their names
    return known.get(rows, tuple(f"class_{k}" for k in range(rows)))
