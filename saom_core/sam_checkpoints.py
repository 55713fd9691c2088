"""Reading and writing checkpoints of the SAM family. Needs torch, so nothing on the node's path imports this at load.

Three kinds are read; in each, the sizes of the network follow from the shapes of its weights:

- official (`sam_vit_b_01ec64.pth` and its like): a state dict with segment-anything's names, no class head;
- the SAOM authors' (`torch.load(path)["model"]`): the same names under `model.`, and `classifier.{weight,bias}`;
- ours (`.safetensors`): names as the authors', and in the header the class names.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

from saom_core.errors import ModelError
from saom_core.taxonomy import CLASSES, CLASSES_AND_OTHER

FORMAT = "saom-sam/1"
_PATCH_SIZE = 16  # of every network of the family; the masks' resolution follows from it
_DECODER_HEADS = 8  # the one number that no shape tells; ours say it in the header
_PIXEL_MEAN, _PIXEL_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
_NAMES_SHOWN = 4


@dataclass(frozen=True)
class SamSizes:
    """The sizes of one network of the SAM family."""

    image_size: int
    patch_size: int
    encoder_dim: int
    encoder_depth: int
    encoder_heads: int
    encoder_mlp_dim: int
    window_size: int
    global_blocks: tuple[int, ...]
    dim: int
    mask_prompt_channels: int
    masks: int
    decoder_depth: int
    decoder_mlp_dim: int
    attention_downsample: int
    iou_depth: int
    iou_dim: int
    decoder_heads: int = _DECODER_HEADS

    @property
    def name(self) -> str:
        """vit_b, vit_l, vit_h, or a description of any other size."""
        official = {(768, 12): "vit_b", (1024, 24): "vit_l", (1280, 32): "vit_h"}
        size = (self.encoder_dim, self.encoder_depth)
        if self.image_size == 1024 and size in official:
            return official[size]
        return f"vit-{self.encoder_dim}x{self.encoder_depth}-{self.image_size}px"


@dataclass
class SamModel:
    """A network of the SAM family with its class head, if it has one."""

    sam: Sam
    sizes: SamSizes
    class_head: nn.Linear | None = None  # on the decoder's IoU token
    class_names: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> SamModel:
        """Moves the weights, in place."""
        self.sam.to(device)
        if self.class_head is not None:
            self.class_head.to(device)
        return self


def read_checkpoint(path: str | Path) -> SamModel:
    """Reads a checkpoint of any of the three kinds, on the CPU, in float32, ready for inference.

    Raises:
        ModelError: the file is missing, truncated, no checkpoint, holds more than plain weights, or weights of another
            network.
    """
    path = Path(path)
    weights, metadata = _read_file(path)
    weights, head = _split(weights, path)
    sizes = sizes_of(weights, path, _decoder_heads(metadata, path))
    sam = build_sam(sizes, device="meta")
    _check_weights(weights, sam, path)
    sam.load_state_dict({name: weights[name].float() for name in sam.state_dict()}, assign=True)
    # Not in any checkpoint, so still on the meta device: the colour statistics.
    sam.pixel_mean = torch.tensor(_PIXEL_MEAN).view(-1, 1, 1)
    sam.pixel_std = torch.tensor(_PIXEL_STD).view(-1, 1, 1)
    sam.requires_grad_(False).eval()
    class_head = _class_head(head, sizes, path)
    names = _class_names(class_head, metadata, path)
    return SamModel(sam, sizes, class_head, names, metadata)


def write_checkpoint(model: SamModel, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Writes our kind: safetensors, with the class names and `metadata` (text to text) in the header."""
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
    safetensors.torch.save_file({name: value.contiguous() for name, value in weights.items()}, str(path), header)


def build_sam(sizes: SamSizes, device: str = "cpu") -> Sam:
    """segment-anything's model with weights as its constructors leave them, for evaluation."""
    grid = sizes.image_size // sizes.patch_size
    with torch.device(device):
        sam = Sam(
            ImageEncoderViT(
                img_size=sizes.image_size,
                patch_size=sizes.patch_size,
                embed_dim=sizes.encoder_dim,
                depth=sizes.encoder_depth,
                num_heads=sizes.encoder_heads,
                mlp_ratio=sizes.encoder_mlp_dim / sizes.encoder_dim,
                out_chans=sizes.dim,
                norm_layer=partial(nn.LayerNorm, eps=1e-6),
                use_rel_pos=True,
                window_size=sizes.window_size,
                global_attn_indexes=sizes.global_blocks,
            ),
            PromptEncoder(sizes.dim, (grid, grid), (sizes.image_size,) * 2, sizes.mask_prompt_channels),
            MaskDecoder(
                transformer_dim=sizes.dim,
                transformer=TwoWayTransformer(
                    sizes.decoder_depth,
                    sizes.dim,
                    sizes.decoder_heads,
                    sizes.decoder_mlp_dim,
                    attention_downsample_rate=sizes.attention_downsample,
                ),
                num_multimask_outputs=sizes.masks,
                iou_head_depth=sizes.iou_depth,
                iou_head_hidden_dim=sizes.iou_dim,
            ),
            _PIXEL_MEAN,
            _PIXEL_STD,
        )
    return sam.eval()


def sizes_of(weights: Mapping[str, Tensor], source: object, decoder_heads: int = _DECODER_HEADS) -> SamSizes:
    """The sizes of the network that these weights (segment-anything's names) belong to.

    Raises:
        ModelError: weights that every network of the family has are missing or of another rank.
    """
    try:
        patches, position = weights["image_encoder.patch_embed.proj.weight"], weights["image_encoder.pos_embed"]
        encoder_dim, patch_size = patches.shape[0], patches.shape[2]
        grid, depth = position.shape[1], _count(weights, "image_encoder.blocks.")
        spans = [weights[f"image_encoder.blocks.{k}.attn.rel_pos_h"].shape for k in range(depth)]
        windows = [(2 * grid - 1) != span[0] for span in spans]
        decoder = "mask_decoder."
        dim = weights[decoder + "iou_token.weight"].shape[1]
        iou_depth = _count(weights, decoder + "iou_prediction_head.layers.")
        sizes = SamSizes(
            image_size=grid * patch_size,
            patch_size=patch_size,
            encoder_dim=encoder_dim,
            encoder_depth=depth,
            encoder_heads=encoder_dim // spans[0][1],
            encoder_mlp_dim=weights["image_encoder.blocks.0.mlp.lin1.weight"].shape[0],
            window_size=next(
                ((span[0] + 1) // 2 for span, windowed in zip(spans, windows, strict=True) if windowed), 0
            ),
            global_blocks=tuple(k for k, windowed in enumerate(windows) if not windowed),
            dim=dim,
            mask_prompt_channels=weights["prompt_encoder.mask_downscaling.3.weight"].shape[0],
            masks=weights[decoder + "mask_tokens.weight"].shape[0] - 1,
            decoder_depth=_count(weights, decoder + "transformer.layers."),
            decoder_mlp_dim=weights[decoder + "transformer.layers.0.mlp.lin1.weight"].shape[0],
            attention_downsample=dim
            // weights[decoder + "transformer.final_attn_token_to_image.q_proj.weight"].shape[0],
            iou_depth=iou_depth,
            iou_dim=weights[decoder + "iou_prediction_head.layers.0.weight"].shape[0],
            decoder_heads=decoder_heads,
        )
    except KeyError as error:
        raise ModelError(
            f"{source}: expected the weights of a SAM image encoder, prompt encoder and mask decoder, {error.args[0]} "
            "is missing: give a checkpoint of segment-anything (vit_b, vit_l, vit_h) or one tuned from it"
        ) from error
    except (IndexError, ZeroDivisionError) as error:
        raise ModelError(f"{source}: weights of another rank or size than a SAM network has ({error})") from error
    if (
        patch_size != _PATCH_SIZE
        or encoder_dim % sizes.encoder_heads
        or dim % (decoder_heads * sizes.attention_downsample)
    ):
        raise ModelError(
            f"{source}: expected patches of {_PATCH_SIZE} pixels and widths that the heads divide, got {sizes}"
        )
    return sizes


def _count(weights: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered layers there are under the prefix."""
    return len({name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)})


def _read_file(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    if not path.is_file():
        raise ModelError(f"{path}: expected a checkpoint file, there is none: check the path, or download the model")
    with path.open("rb") as file:
        head = file.read(9)
    try:
        if path.suffix == ".safetensors" or head[8:9] == b"{":
            with safe_open(str(path), framework="pt") as reader:
                return {name: reader.get_tensor(name) for name in list(reader.keys())}, reader.metadata() or {}
        if not head.startswith((b"PK", b"\x80")):
            raise ModelError(
                f"{path}: expected a .pth or .safetensors checkpoint, its first bytes are {head!r}: "
                "download it again; an HTML page or a Git LFS pointer is often saved in its place"
            )
        return torch.load(path, map_location="cpu", weights_only=True), {}
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: expected plain weights, the file holds other Python objects or is broken "
            f"({str(error).strip().splitlines()[0]}): it is not loaded, since such a file can run any code; "
            'save it again as torch.save({"model": model.state_dict()}, path)'
        ) from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, LookupError) as error:
        size_mb = path.stat().st_size / 1e6
        raise ModelError(
            f"{path}: expected a whole checkpoint, the file ({size_mb:.1f} MB) is truncated or damaged "
            f"({str(error).strip().splitlines()[0]}): download or copy it again"
        ) from error


def _split(content: Any, path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights under segment-anything's names, and those of the class head."""
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise ModelError(
            f"{path}: expected a state dict (name to tensor), by itself or under the key 'model', "
            f"got {_describe(content)}: save the model's state_dict()"
        )
    weights = {name.removeprefix("module."): value for name, value in content.items()}
    head = {name.removeprefix("classifier."): v for name, v in weights.items() if name.startswith("classifier.")}
    weights = {name: value for name, value in weights.items() if not name.startswith("classifier.")}
    weights = {name.removeprefix("model."): value for name, value in weights.items()}
    return {name: v for name, v in weights.items() if name not in ("pixel_mean", "pixel_std")}, head


def _describe(content: Any) -> str:
    if isinstance(content, dict):
        return f"a dict with keys {_some(list(content))}"
    return f"a {type(content).__name__}"


def _check_weights(weights: Mapping[str, Tensor], sam: Sam, path: Path) -> None:
    wanted = {name: tuple(value.shape) for name, value in sam.state_dict().items()}
    missing, unknown = sorted(set(wanted) - set(weights)), sorted(set(weights) - set(wanted))
    if missing:
        raise ModelError(
            f"{path}: expected {len(wanted)} weights, {len(missing)} are missing: {_some(missing)}: "
            "the file is incomplete or of another network"
        )
    if unknown:
        raise ModelError(
            f"{path}: {len(unknown)} weights are unknown to segment-anything's SAM: {_some(unknown)}: "
            "it is of another network (a variant of SAM), whose masks would be wrong without them"
        )
    other = [
        f"{name} {tuple(weights[name].shape)} instead of {shape}"
        for name, shape in wanted.items()
        if tuple(weights[name].shape) != shape
    ]
    if other:
        raise ModelError(f"{path}: {len(other)} weights have another shape: {_some(other)}: it is of another network")
    broken = sorted(name for name in wanted if not bool(torch.isfinite(weights[name]).all()))
    if broken:
        raise ModelError(f"{path}: NaN or infinite numbers in {_some(broken)}: the training diverged; take another")


def _some(names: Sequence[object]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(str(name) for name in names[:_NAMES_SHOWN]) + more


def _decoder_heads(metadata: Mapping[str, str], path: Path) -> int:
    text = metadata.get("decoder_heads", str(_DECODER_HEADS))
    if not text.isdecimal() or int(text) < 1:
        raise ModelError(f"{path}: expected a positive number of decoder_heads in the header, got {text!r}")
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
    known = {len(CLASSES): CLASSES, len(CLASSES_AND_OTHER): CLASSES_AND_OTHER}
    return known.get(rows, tuple(f"class_{k}" for k in range(rows)))
