"""`saom teach mug_blue examples/ -o saom-tiny-mine.onnx`: a new class from a few pictures, without training.

Writes a copy of the model that names such objects: one file, as before, for the node's parameter `model`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from saom_core.arguments import at_least
from saom_core.errors import InputError
from saom_core.files import check_output
from saom_core.runtime import OnnxModel
from saom_core.teach.describing import KINDS, Describer
from saom_core.teach.examples import AGREES_IOU, Sight, look
from saom_core.teach.files import find_pictures, others_of, read_example, write
from saom_core.teach.teaching import learn

CONVENTION = """\
examples: pictures of the object, or folders of them, at least three, best from several sides. Of a picture x.png
  x_mask.png   the whole object: pixels that are not 0 (of a JPEG: the bright ones); of the picture's size
  x_depth.png  depth, if the robot has it: 16-bit, millimetres, 0 = invalid; or as TIFF, EXR or .npy
  without a mask, the alpha channel of x.png is it; without alpha, the one clear object in the middle is taken.

saom teach mug_blue examples/ -o saom-tiny-mine.onnx
saom teach gear gear_*.png --model saom-tiny-mine.onnx -o saom-tiny-mine.onnx     # one more class
ros2 launch saom_ros saom.launch.py model:=saom-tiny-mine.onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom teach`."""
    parser.formatter_class, parser.epilog = argparse.RawDescriptionHelpFormatter, CONVENTION
    parser.add_argument("name", help="name of the new class; a class of that name that was taught before is replaced")
    parser.add_argument("examples", type=Path, nargs="+", help="pictures of the object, or folders of them")
    parser.add_argument("-o", "--output", type=Path, required=True, help="model file to write, which knows the class")
    parser.add_argument(
        "--model", default="", help="the saom-*.onnx file to start from (default: the bundled saom-tiny)"
    )
    parser.add_argument(
        "--others",
        type=Path,
        nargs="+",
        default=[],
        help="pictures of the robot's surroundings without the object, or folders of them: nothing there gets the name",
    )
    parser.add_argument(
        "--by",
        default="",
        choices=KINDS,
        help="looks: what the classifier of photographs sees, with depth and without; embedding: what the model sees, "
        "either with depth or without (default: looks)",
    )
    parser.add_argument("--threads", type=at_least(0), default=0, help="CPU threads (default: 0, one per core)")


def run(args: argparse.Namespace) -> int:
    """`saom teach`."""
    model = OnnxModel(args.model, "cpu", args.threads)
    names = [one.name for one in model.info.taught]
    check_name(args.name, model.info.class_names, names)
    examples, others = find_pictures(args.examples), find_pictures(args.others)
    check_output(args.output, [*examples, *others])
    check_no_class_is_lost(args.output, names)
    before = [one for one in model.info.taught if one.name != args.name]
    describe = Describer.of_kind(args.by, args.threads)
    sights = _sights(model, examples, describe)
    taught = learn(args.name, sights, others_of(model, sights, before, others, describe), describe.looks_sha256)
    place = names.index(args.name) if args.name in names else len(names)  # what is taught anew keeps its class id
    write(Path(model.info.path), args.output, [*before[:place], taught, *before[place:]])
    known = taught.record
    print(
        f"{args.name}, by {known['made_of']}: {len(sights)} examples agree by {known['agreement']:.2f} (cosine), "
        f"{known['others']} other objects reach {known['others_reach']:.2f}: accepted from {taught.threshold:.2f}"
    )
    print(f"{args.output}: class id {OnnxModel(str(args.output), 'cpu', 1).info.class_names.index(args.name)}")
    return 0


def check_name(name: str, class_names: Sequence[str], taught: Sequence[str]) -> None:
    """Refuses a name that a new class cannot have.

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


def check_no_class_is_lost(output: Path, taught: Sequence[str]) -> None:
    """Refuses to overwrite a model file whose taught classes the new file would not have.

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


def _sights(model: OnnxModel, pictures: list[Path], describe: Describer) -> list[Sight]:
    """What the model sees in each example; one that is refused is reported and left out."""
    sights = []
    for picture in tqdm(pictures, unit="example", disable=len(pictures) < 3, dynamic_ncols=True):
        try:
            example = read_example(picture)
            sights.append(look(model, example, describe))
        except InputError as error:
            tqdm.write(f"{picture}: refused: {error}", file=sys.stderr)
        else:
            of_what = "no mask: the object in the middle was taken" if example.mask is None else "by its mask"
            tqdm.write(f"{picture}: {len(sights[-1].own)} views, {of_what}, IoU {sights[-1].iou:.2f}")
            if sights[-1].iou < AGREES_IOU:
                tqdm.write(
                    f"{picture}: warning: expected the model to see the object as the mask shows it (IoU >= "
                    f"{AGREES_IOU}), got {sights[-1].iou:.2f}: is the whole object masked, and nothing else?",
                    file=sys.stderr,
                )
            if sights[-1].covered > 1:
                tqdm.write(
                    f"{picture}: warning: expected a mask of one object, got one over {sights[-1].covered} things that "
                    "the model tells apart: look at it, and mask one of them alone",
                    file=sys.stderr,
                )
    return sights
