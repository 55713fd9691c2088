"""`saom report photo.jpg -o report.zip`: a picture that goes wrong, with all that somebody needs who wants to mend it.

The file is an ordinary zip. It holds the picture as pixels, so without the place and time that a photo carries, the
answer, the options, the versions and the SHA-256 of the model; no names of folders or of the photo. Nothing is sent
anywhere.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import io
import json
import os
import platform
import sys
import traceback
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saom_cli.parsing import numbers
from saom_cli.sources import add_depth_arguments, camera_of
from saom_core import __version__
from saom_core.arguments import add_config_arguments, config_from
from saom_core.config import SaomConfig
from saom_core.errors import InputError, SaomError
from saom_core.files import check_output, write_atomically
from saom_core.geometry.support import rounded
from saom_core.instances import Instances
from saom_core.loading import load_segmenter
from saom_core.overlay import draw_overlay
from saom_core.pictures.orientation import ExifTurn
from saom_core.pictures.photos import read_photo
from saom_core.places.depth_files import read_depth
from saom_core.segmenter import Segmentation, Segmenter

BLOCKS = 6
"""A blurred box keeps so many squares along its longer side, each of one colour: no face can be told by them."""
PACKAGES = ("numpy", "opencv-python", "opencv-python-headless", "onnxruntime", "onnxruntime-gpu", "torch")
VARIABLES = ("ROS_DISTRO", "RMW_IMPLEMENTATION", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
ABOUT = """\
A report of saom {version}, made with `saom report`.

report.json   what the user says, the answer (objects as COCO results, metres where there is depth), the options,
              the versions, the SHA-256 of the model file, the seconds that it took; `error`, if there was one
image.png     the picture that the model saw; boxes in `blurred_boxes_xyxy` were made unrecognisable before
depth_m.npy   its depth, (H, W) float32 metres, 0 or NaN = none; if it has one
overlay.png   the answer, drawn
labels.png    the answer, 16 bits: pixel = number of the object in the answer, from 1 on; 0 = none

Again, with the same options:  saom segment image.png {again}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom report`."""
    parser.add_argument("input", metavar="PHOTO", type=Path, help="photo that goes wrong")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write, such as report.zip")
    parser.add_argument("--note", default="", help='what is wrong with the answer, as in "the lid comes alone"')
    parser.add_argument(
        "--blur",
        type=numbers(4),
        action="append",
        default=[],
        metavar="X0,Y0,X1,Y1",
        help="make this box of the picture unrecognisable, before it is segmented and packed; may be repeated. Faces "
        "are not looked for: what must not be seen is yours to say",
    )
    add_depth_arguments(parser)
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """`saom report`."""
    if args.output.suffix.lower() != ".zip":
        raise InputError(f"expected a file such as report.zip, got {args.output}: give it such a name")
    read = [args.input, *([args.depth] if args.depth else []), *([Path(args.model)] if args.model else [])]
    check_output(args.output, read)
    image = read_photo(args.input)
    turn = ExifTurn(args.input, image)
    depth = turn.depth(read_depth(args.depth, args.depth_scale))
    given = args.intrinsics
    if args.intrinsics and turn.orientation > 1:  # image.png is as the model saw it, and so is all that goes with it
        camera = turn.camera(args.intrinsics)
        args.intrinsics = None if camera is None else [camera.fx, camera.fy, camera.cx, camera.cy]
    config = config_from(args)
    boxes = [blurred(image, depth, box) for box in args.blur]
    files: dict[str, bytes] = {"image.png": _png(image)}
    if depth is not None:
        files["depth_m.npy"] = _npy(depth)
    facts: dict[str, Any] = {
        "note": args.note,
        "image": {"width": image.shape[1], "height": image.shape[0], "format": args.input.suffix.lower()},
        "blurred_boxes_xyxy": boxes,
        "depth": None if depth is None else facts_of_depth(depth),
        "intrinsics": args.intrinsics,
        "options": dataclasses.asdict(config) | {"model": Path(config.model).name},
        **versions(),
    }
    try:
        segmenter = load_segmenter(config)
        facts["model"] = facts_of_model(segmenter)
        if doubt := turn.doubt(given):
            print(doubt, file=sys.stderr)
        answer = segmenter.segment(image, depth, camera_of(args.intrinsics, image))
    except Exception as error:  # the fault may be what the report is about
        facts["error"] = "".join(traceback.format_exception(error)).replace(str(Path.home()), "~")
        if isinstance(error, SaomError):
            print(f"The model gives no answer, and the report says why: {error}")
        else:
            print(f"The model fails, and the report says where: {type(error).__name__}: {error}")
    else:
        facts["answer"] = facts_of_answer(answer)
        files["overlay.png"] = _png(draw_overlay(image, answer.instances))
        files["labels.png"] = cv2.imencode(".png", answer.instances.label_image())[1].tobytes()
    files["report.json"] = (json.dumps(facts, indent=1) + "\n").encode()
    files["README.txt"] = ABOUT.format(version=__version__, again=_options(config, depth is not None, args)).encode()
    write_atomically(args.output, _zip(files))
    _say(args.output, files, facts)
    return 0


def blurred(image_rgb: npt.NDArray[np.uint8], depth_m: npt.NDArray[np.float32] | None, box: list[float]) -> list[int]:
    """Makes a box of the picture unrecognisable, in place, and its depth unknown.

    Args:
        image_rgb: (H, W, 3).
        depth_m: of the same size, or None.
        box: left, top, right, bottom, pixels.

    Returns:
        The box in whole pixels.

    Raises:
        InputError: nothing of it is in the picture.
    """
    height, width = image_rgb.shape[:2]
    left, top = (max(0, int(np.floor(value))) for value in box[:2])
    right, bottom = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if left >= right or top >= bottom:
        raise InputError(
            f"--blur: expected a box X0,Y0,X1,Y1 inside the {width}x{height} picture, got "
            f"{','.join(f'{value:g}' for value in box)}: give its left, top, right and bottom in pixels"
        )
    window = np.s_[top:bottom, left:right]
    part = image_rgb[window]
    few = [max(1, round(BLOCKS * side / max(part.shape[:2]))) for side in part.shape[:2]]
    small = cv2.resize(part, few[::-1], interpolation=cv2.INTER_AREA)
    image_rgb[window] = cv2.resize(small, part.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    if depth_m is not None and depth_m.shape == image_rgb.shape[:2]:
        depth_m[window] = 0.0
    return [left, top, right, bottom]


def facts_of_model(segmenter: Segmenter) -> dict[str, Any]:
    """Which model it is, to the byte."""
    info = segmenter.info
    digest = hashlib.sha256()
    with Path(info.path).open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return {
        "name": info.name,
        "file": Path(info.path).name,
        "sha256": digest.hexdigest(),
        "provider": info.provider,
        "provider_requested": info.provider_requested,
        "fallback_reason": info.fallback_reason,
        "input_size_hw": list(info.input_size_hw),
        "uses_depth": info.uses_depth,
        "taught": [one.name for one in info.taught],
    }


def facts_of_answer(answer: Segmentation) -> dict[str, Any]:
    """The objects as COCO results, with metres where they are known."""
    instances: Instances = answer.instances
    objects = [instances.result_of(k) | {"stability": rounded(instances.stability[k])} for k in range(len(instances))]
    return {"objects": objects, "timings_ms": answer.timings_ms}


def facts_of_depth(depth_m: npt.NDArray[np.float32]) -> dict[str, Any]:
    """How much of the depth is there, and in what range: most wrong metres are wrong units."""
    valid = depth_m[np.isfinite(depth_m) & (depth_m > 0)]
    spread = [rounded(value) for value in np.percentile(valid, (0, 5, 50, 95, 100))] if valid.size else []
    return {"size_hw": list(depth_m.shape), "valid_share": valid.size / depth_m.size, "percentiles_m": spread}


def versions() -> dict[str, Any]:
    """What runs here, without the names of user and machine."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    import onnxruntime

    return {
        "saom": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "packages": packages,
        "onnxruntime_providers": onnxruntime.get_available_providers(),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def _options(config: SaomConfig, has_depth: bool, args: argparse.Namespace) -> str:
    """The options of `saom segment` that give the same answer."""
    words = ["--depth depth_m.npy"] if has_depth else []
    if args.intrinsics:
        words.append("--intrinsics " + " ".join(f"{value:g}" for value in args.intrinsics))
    for field in dataclasses.fields(config):
        value, flag = getattr(config, field.name), field.name.replace("_", "-")
        if value == field.default or field.name == "threads":
            continue
        value = Path(value).name if field.name == "model" else value
        words.append(f"--{'' if value else 'no-'}{flag}" if isinstance(value, bool) else f"--{flag} {value}")
    return " ".join(words)


def _say(output: Path, files: dict[str, bytes], facts: dict[str, Any]) -> None:
    found = len(facts["answer"]["objects"]) if "answer" in facts else "no"
    print(f"{output}: {sum(map(len, files.values())) / 1e6:.1f} MB: {', '.join(sorted(files))}; {found} objects")
    shown = f"all but {len(facts['blurred_boxes_xyxy'])} boxes of" if facts["blurred_boxes_xyxy"] else "all of"
    print(f"image.png and overlay.png show {shown} the picture. Look at them before you send the file:")
    print("--blur X0,Y0,X1,Y1 makes a face, or what else must not be seen, unrecognisable in all of it.")


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _png(image_rgb: npt.NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", image_rgb[:, :, ::-1])[1].tobytes()


def _npy(array: npt.NDArray[np.float32]) -> bytes:
    packed = io.BytesIO()
    np.save(packed, array, allow_pickle=False)
    return packed.getvalue()
