"""`saom teach mug_blue examples/ -o saom-tiny-mine.onnx`: a new class from a few pictures, without training.

Writes a copy of the model that names such objects: one file, as before, for the node's parameter `model`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from saom_cli.segment import find_photos, read_depth, read_photo
from saom_core.errors import InputError
from saom_core.examples import Example, Sight, look, surroundings
from saom_core.instances import BoolArray
from saom_core.onnx_metadata import sha256_without_entry, with_entry
from saom_core.runtime import OnnxModel
from saom_core.taught import TAUGHT_KEY, TaughtClass, to_json
from saom_core.teaching import OtherObjects, learn

GREY = 114
"""Behind cut-out objects, as in the padding of the network's input."""
MASK, DEPTH = "_mask", "_depth"
CONVENTION = """\
examples: pictures of the object, or folders of them, at least three, best from several sides. Of a picture x.png
  x_mask.png   the whole object: pixels that are not 0; of the picture's size
  x_depth.png  depth, if the robot has it: 16-bit, millimetres, 0 = invalid
  without a mask, the alpha channel of x.png is it; without alpha, the one clear object in the middle is taken.

saom teach mug_blue examples/ -o saom-tiny-mine.onnx
saom teach gear gear_*.png --model saom-tiny-mine.onnx -o saom-tiny-mine.onnx     # one more class
ros2 launch saom_ros saom.launch.py model:=saom-tiny-mine.onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom teach`."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, CONVENTION
    parser.add_argument("name", help="of the new class; one that was taught before is replaced")
    parser.add_argument("examples", type=Path, nargs="+", help="pictures of the object, or folders of them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the model file that knows the class")
    parser.add_argument("--model", default="", help="a saom-*.onnx file; empty: bundled saom-tiny")
    parser.add_argument(
        "--others",
        type=Path,
        nargs="+",
        default=[],
        help="pictures, or folders of them, where the robot works and the object is not: what must not get the name",
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: one per core")


def run(args: argparse.Namespace) -> int:
    """`saom teach`."""
    model = OnnxModel(args.model, "cpu", args.threads)
    names = [one.name for one in model.info.taught]
    check_name(args.name, model.info.class_names, names)
    check_output(args.output, names)
    before = [one for one in model.info.taught if one.name != args.name]
    sights = _sights(model, find_pictures(args.examples))
    taught = learn(args.name, sights, others_of(model, sights, before, find_pictures(args.others)))
    place = names.index(args.name) if args.name in names else len(names)  # what is taught anew keeps its class id
    write(Path(model.info.path), args.output, [*before[:place], taught, *before[place:]])
    known = taught.record
    print(
        f"{args.name}: {len(sights)} examples agree by {known['agreement']:.2f} (cosine), {known['others']} other "
        f"objects reach {known['others_reach']:.2f}: accepted from {taught.threshold:.2f}"
    )
    print(f"{args.output}: class id {OnnxModel(str(args.output), 'cpu', 1).info.class_names.index(args.name)}")
    return 0


def check_name(name: str, class_names: Sequence[str], taught: Sequence[str]) -> None:
    """Whether a new class may have that name.

    Raises:
        InputError: no printable text, or the name of another class.
    """
    if not name.strip() or not name.isprintable() or name != name.strip():
        raise InputError(f"expected a name of printable characters, got {name!r}: choose another one")
    # names are compared as ~/select compares them
    known = next((other for other in class_names if other.casefold() == name.casefold()), name)
    if known in class_names and (known != name or name not in taught):
        raise InputError(
            f"expected the name of a new class, got {name!r}, and the model knows {known!r}: choose another"
        )


def check_output(output: Path, taught: Sequence[str]) -> None:
    """Whether a file may be written there: not over one with taught classes that the model to begin from lacks.

    Raises:
        InputError: classes would be lost.
    """
    if not output.exists():
        return
    lost = {one.name for one in OnnxModel(str(output), "cpu", 1).info.taught} - set(taught)
    if lost:
        raise InputError(
            f"{output}: expected a new file, or the model to begin from, got one that was taught "
            f"{', '.join(sorted(lost))}, which would be lost: give --model {output} to teach it one more class"
        )


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """The pictures at some paths, without their masks and depths.

    Raises:
        InputError: nothing there.
    """
    pictures = [picture for path in paths for picture in find_photos(path)]
    return [picture for picture in pictures if not picture.stem.endswith((MASK, DEPTH))]


def read_example(path: Path) -> Example:
    """A picture with the mask and the depth that belong to it; see `CONVENTION`.

    Raises:
        InputError: a file that cannot be read.
    """
    image, mask_at, depth_at = read_photo(path), _beside(path, MASK), _beside(path, DEPTH)
    depth = read_depth(depth_at if depth_at.exists() else None)
    name = f"{path.parent.name}/{path.name}"
    mask: BoolArray | None = None
    if mask_at.exists():
        stored = cv2.imread(str(mask_at), cv2.IMREAD_UNCHANGED)
        if stored is None:
            raise InputError(f"expected a mask at {mask_at}, got something OpenCV cannot read")
        colours = stored.reshape(*stored.shape[:2], -1)
        mask = np.any(colours[..., :3] if colours.shape[2] == 4 else colours, axis=2)
        return Example(name, image, mask, depth)
    alpha = _alpha(path)
    if alpha is not None:
        mask = alpha > 0.5
        image = np.rint(alpha[..., None] * image + (1 - alpha[..., None]) * GREY).astype(np.uint8)
    return Example(name, image, mask, depth)


def write(model: Path, output: Path, classes: Sequence[TaughtClass]) -> None:
    """Writes a copy of a model file with these taught classes in the place of its own, whole or not at all.

    Raises:
        InputError: the place cannot be written.
    """
    entry = to_json(classes, sha256_without_entry(model, TAUGHT_KEY))
    draft = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(with_entry(model.read_bytes(), TAUGHT_KEY, entry))
        os.replace(draft, output)
    except OSError as error:
        raise InputError(f"expected a place that can be written, got {output} ({error})") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def others_of(
    model: OnnxModel, sights: Sequence[Sight], before: Sequence[TaughtClass], pictures: Sequence[Path]
) -> OtherObjects:
    """What must not get the name: in the examples, in other pictures, of the trained and the taught classes.

    Raises:
        InputError: a picture that cannot be read.
    """
    parts = [OtherObjects.in_picture(sight.others, sight.name) for sight in sights]
    for picture in tqdm(pictures, unit="picture", disable=len(pictures) < 3, dynamic_ncols=True):
        parts.append(OtherObjects.in_picture(surroundings(model, read_example(picture)), str(picture)))
    if model.info.reference is not None:
        parts.append(OtherObjects.trained(model.info.reference))
    return OtherObjects.join([*parts, OtherObjects.taught(before)])


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.stem}{suffix}.png")


def _alpha(path: Path) -> np.ndarray | None:
    """(H, W) float32 opacity 0..1; None for a picture that is opaque everywhere."""
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.ndim != 3 or stored.shape[2] != 4 or stored.dtype.kind != "u":
        return None
    alpha = (stored[..., 3] / np.iinfo(stored.dtype.name).max).astype(np.float32)
    return None if (alpha > 0.5).all() else alpha


def _sights(model: OnnxModel, pictures: list[Path]) -> list[Sight]:
    """What the model sees; examples that are refused are told, and cost only themselves."""
    sights = []
    for picture in tqdm(pictures, unit="example", disable=len(pictures) < 3, dynamic_ncols=True):
        try:
            sights.append(look(model, read_example(picture)))
        except InputError as error:
            tqdm.write(f"{picture}: refused: {error}", file=sys.stderr)
        else:
            tqdm.write(f"{picture}: {len(sights[-1].own)} views, mask IoU {sights[-1].iou:.2f}")
    return sights
