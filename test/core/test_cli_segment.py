"""`saom segment` on photos of people: nothing is lost, overwritten or passed over in silence."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from exif import jpeg_with

from saom_cli import outputs, segment
from saom_cli.main import main
from saom_cli.outputs import picture_paths
from saom_cli.table import NAME_WIDTH, Table
from saom_core.instances import Instances, MaskCrop
from saom_core.pictures.photos import read_photo, write_photo
from saom_core.prompting.prompts import Prompts
from saom_core.segmenter import Segmentation

ROOT = Path(__file__).resolve().parents[2]
SEQUENCE = ROOT / "test" / "sequence"
LOW = ["--score-threshold", "0.1", "--threads", "1"]


def picture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((120, 160, 3), 150, np.uint8)
    image[40:90, 30 + seed : 80] = rng.integers(0, 255, 3)
    return image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(4):
        cv2.imwrite(str(folder / f"{seed}.png"), picture(seed))
    return folder


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err
    assert "Traceback" not in error and len(error.splitlines()) == 1
    return error


def test_photos_of_one_stem_have_an_overlay_each(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "a.webp", "a.JPG", "b.jpg"):
        cv2.imwrite(str(folder / name.replace("JPG", "jpg")), picture(len(name)))
    (folder / "a.jpg").rename(folder / "a.JPG")
    assert main(["segment", str(folder), "-o", str(tmp_path / "out"), *LOW]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a.JPG.png",
        "a.png.png",
        "a.webp.png",
        "b.png",
    ]


@pytest.mark.parametrize(
    "names",
    [["a.png", "a.jpg", "a.png.jpg"], ["a.png", "a.png.png", "a.jpg"], ["a.jpg", "b.png"], ["x.y.jpg", "x.png"]],
)
def test_no_names_collide(names: list[str]) -> None:
    overlays = picture_paths(names, Path("out"))
    assert list(overlays) == names and len(set(overlays.values())) == len(names)
    assert all(path.suffix == ".png" and path.parent == Path("out") for path in overlays.values())


def test_a_photo_is_never_overwritten(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in photos.iterdir()}
    depth = tmp_path / "depth.png"
    cv2.imwrite(str(depth), np.full((120, 160), 900, np.uint16))
    before[depth] = depth.read_bytes()
    (tmp_path / "link").symlink_to(photos)
    photo = str(photos / "0.png")
    (photos / "loop.png").symlink_to("0.png")
    for arguments in (
        [photo, "-o", photo],
        [photo, "-o", str(photos / "." / "0.png")],
        [photo, "-o", str(photos / "loop.png")],
        [photo, "--json", photo],
        [photo, "--depth", str(depth), "-o", str(depth)],
        [photo, "-o", str(tmp_path / "new.png"), "--json", str(tmp_path / "new.png")],
        [str(photos), "-o", str(photos)],
        [str(photos), "-o", str(tmp_path / "link")],
        [str(photos), "--json", photo],
        [str(photos), "-o", photo],
        [photo, "-o", str(photos)],
        [photo, "-o", str(tmp_path / "out.unknown")],
        [photo, "-o", str(tmp_path / "out")],
    ):
        assert main(["segment", *arguments, *LOW]) == 1, arguments
        assert "expected" in error_of(capsys)
    assert {path: path.read_bytes() for path in before} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["depth.png", "link", "photos"]


def test_depth_pictures_of_a_folder_are_inputs_too(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    depths = tmp_path / "depths"
    depths.mkdir()
    for photo in photos.iterdir():
        cv2.imwrite(str(depths / photo.name), np.full((120, 160), 900, np.uint16))
    assert main(["segment", str(photos), "--depth", str(depths), "-o", str(depths), *LOW]) == 1
    assert "got one that is read" in error_of(capsys)
    assert all(cv2.imread(str(path), cv2.IMREAD_UNCHANGED).dtype == np.uint16 for path in depths.iterdir())


def test_a_folder_ends_with_how_it_went(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = cv2.imencode(".jpg", picture(1))[1].tobytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (photos / "notes.txt").write_text("no photo")
    listing = tmp_path / "out.json"
    assert main(["segment", str(photos), "--json", str(listing), *LOW]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "4 of 6 done, 2 failed: cut.jpg, phone.HEIC"
    assert "cut.jpg: failed: expected a whole JPEG" in said.err and "phone.HEIC: failed: expected a picture" in said.err
    assert {result["file_name"] for result in json.loads(listing.read_text())} <= {f"{k}.png" for k in range(4)}
    for bad in ("cut.jpg", "phone.HEIC"):
        (photos / bad).unlink()
    assert main(["segment", str(photos), *LOW]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "4 of 4 done"


@pytest.mark.parametrize("suffix", [s for s in (".avif", ".gif", ".jp2") if cv2.haveImageWriter(f"x{s}")])
def test_a_folder_takes_what_a_single_photo_takes(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / f"a{suffix}"), picture(1))
    assert main(["segment", str(folder / f"a{suffix}"), *LOW]) == 0
    one = capsys.readouterr().out.splitlines()
    assert main(["segment", str(folder), *LOW]) == 0
    assert capsys.readouterr().out.splitlines() == [*one, "1 of 1 done"]


def listed(path: Path) -> list[dict[str, object]]:
    results: list[dict[str, object]] = json.loads(path.read_text())
    return results


def interrupting(monkeypatch: pytest.MonkeyPatch, at: str) -> list[str]:
    """Ctrl-C while that photo is read; returns the names of those that are read."""
    read, names = segment.read_photo, []

    def read_or_stop(path: Path) -> np.ndarray:
        if path.name == at:
            raise KeyboardInterrupt
        names.append(path.name)
        return read(path)

    monkeypatch.setattr(segment, "read_photo", read_or_stop)
    return names


@pytest.mark.slow
def test_an_interrupted_folder_is_gone_on_with(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, listing, overlays = tmp_path / "whole.json", tmp_path / "out.json", tmp_path / "overlays"
    assert main(["segment", str(photos), "--json", str(whole), *LOW]) == 0
    wanted = listed(whole)
    command = ["segment", str(photos), "--json", str(listing), "-o", str(overlays), *LOW]
    with monkeypatch.context() as patch:
        interrupting(patch, "2.png")
        assert main(command) == 130
    said = capsys.readouterr()
    assert f"2 of 4 done; {listing} holds them, and the same command goes on from here" in said.out
    assert said.err.splitlines()[-1] == "saom segment: interrupted"
    assert listed(listing) == [result for result in wanted if result["file_name"] in ("0.png", "1.png")]
    (overlays / "0.png").unlink()  # is made again
    cv2.imwrite(str(photos / "1.png"), picture(9))  # has changed, so it is done again, too
    cv2.imwrite(str(photos / "1.png"), picture(1))
    os.utime(photos / "1.png", ns=(1, 1))
    with monkeypatch.context() as patch:
        names = interrupting(patch, "3.png")
        assert main(command) == 130
        assert names == ["0.png", "1.png", "2.png"]
    with monkeypatch.context() as patch:
        names = interrupting(patch, "")
        assert main(command) == 0
        assert names == ["3.png"] and capsys.readouterr().out.splitlines()[-1] == "4 of 4 done (3 of them before)"
    assert listed(listing) == wanted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "overlays", "photos", "whole.json"]
    assert len(list(overlays.iterdir())) == 4


@pytest.mark.slow
def test_what_a_killed_run_left_is_gone_on_with(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, listing = tmp_path / "whole.json", tmp_path / "out.json"
    assert main(["segment", str(photos), "--json", str(whole), *LOW]) == 0
    listing.write_text("[]")
    command = ["segment", str(photos), "--json", str(listing), *LOW]
    program = (
        "import os, signal, sys; from saom_cli import segment; from saom_cli.main import main\n"
        "read = segment.read_photo\n"
        "def die(path): return os.kill(os.getpid(), signal.SIGKILL) if path.name == '2.png' else read(path)\n"
        f"segment.read_photo = die; main({command!r})"
    )
    died = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode
    assert died == -signal.SIGKILL and listing.read_text() == "[]", "the older file stays until there is a newer one"
    draft = tmp_path / "out.json.part"
    with draft.open("ab") as file:
        file.write(b'{"photo": "3.png", "resu')  # the kill struck while this was written
    names = interrupting(monkeypatch, "")
    assert main(command) == 0 and names == ["2.png", "3.png"]
    assert listed(listing) == listed(whole) and not draft.exists()


@pytest.mark.slow
def test_a_run_with_other_options_is_not_gone_on_with(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["segment", str(photos), "--json", str(tmp_path / "out.json"), *LOW]
    with monkeypatch.context() as patch:
        interrupting(patch, "2.png")
        assert main(command) == 130
    names = interrupting(monkeypatch, "")
    assert main([*command, "--min-area-px", "50"]) == 0 and len(names) == 4
    assert "the interrupted run there had other options" in capsys.readouterr().out


def test_an_output_that_fails_in_the_middle(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, image_rgb: np.ndarray) -> None:
        if path.name == "2.png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write_photo(path, image_rgb)

    command = ["segment", str(photos), "--json", str(tmp_path / "out.json"), "-o", str(tmp_path / "overlays"), *LOW]
    with monkeypatch.context() as patch:
        patch.setattr(outputs, "write_photo", full)
        assert main(command) == 1
    assert error_of(capsys).startswith(f"saom segment: {tmp_path}/overlays/2.png: No space left on device: free some")
    names = interrupting(monkeypatch, "")
    assert main(command) == 0 and names == ["2.png", "3.png"]


def test_places_are_tried_before_the_work(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(segment, "load_segmenter", None)  # would be a fault if it were called
    for option in ("--json", "-o"):
        assert main(["segment", str(photos / "0.png"), option, "/proc/new/out.png"]) == 1
        assert "/proc/new/out.png: " in error_of(capsys)


def test_depth_beside_the_photos_is_left_out_with_a_word(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(photos / "0_depth.png"), np.full((120, 160), 900, np.uint16))
    listing = tmp_path / "out.jsonl"
    assert main(["segment", str(photos), "--json", str(listing), *LOW]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "4 of 4 done; left out 1 PNG of one channel with 16 bits, which hold depth or labels"
    assert "0_depth.png" not in listing.read_text() and len(listing.read_text().splitlines()) == 4


def test_intrinsics_of_another_resolution_are_told_once(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["segment", str(photos), "--limit", "2", *LOW, "--intrinsics"]
    assert main([*command, "285", "285", "159.75", "119.75"]) == 0
    told = error_of(capsys)
    assert told.startswith(f"{photos / '0.png'}: camera: expected its axis near the middle of the picture of 160x120")
    assert main([*command, "142", "142", "79.5", "59.5"]) == 0
    assert capsys.readouterr().err == ""


def test_depth_and_camera_are_turned_with_a_photo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A camera that hangs upside down: places are those of the photo as it is shown."""
    depth_mm = cv2.imread(str(SEQUENCE / "depth_008.png"), cv2.IMREAD_UNCHANGED)
    stored, shown = tmp_path / "stored", tmp_path / "shown"
    for folder in (stored, shown):
        folder.mkdir()
    (stored / "photo.jpg").write_bytes(jpeg_with(3, read_photo(SEQUENCE / "image_008.jpg")[::-1, ::-1]))
    cv2.imwrite(str(stored / "depth.png"), depth_mm[::-1, ::-1])
    write_photo(shown / "photo.png", read_photo(stored / "photo.jpg"))
    cv2.imwrite(str(shown / "depth.png"), depth_mm)
    found = []
    for photo, axis in ((stored / "photo.jpg", ("339", "229")), (shown / "photo.png", ("300", "250"))):
        depth, listing = ["--depth", str(photo.with_name("depth.png"))], photo.with_name("out.json")
        intrinsics = ["--intrinsics", "570", "570", *axis]
        assert main(["segment", str(photo), *depth, *intrinsics, "--threads", "1", "--json", str(listing)]) == 0
        found.append([{**one, "file_name": ""} for one in listed(listing)])
    assert found[0] == found[1] and len(found[0]) > 3 and found[0][0]["centroid_m"] is not None
    assert capsys.readouterr().err == ""
    cv2.imwrite(str(stored / "depth.png"), np.rot90(depth_mm))
    assert main(["segment", str(stored / "photo.jpg"), "--depth", str(stored / "depth.png"), "--threads", "1"]) == 1
    assert "its EXIF orientation 3 turns both, got 480x640" in error_of(capsys)


def test_json_to_standard_output(photos: Path) -> None:
    command = [sys.executable, "-m", "saom_cli", "segment", str(photos), "--json", "/dev/stderr", *LOW]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {result["image_id"] for result in json.loads(done.stderr)} <= set(range(4))
    assert Path("/dev/stderr").exists() and not Path("/dev/stderr.part").exists()


def test_rows_say_which_prompt_they_answer(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listing = tmp_path / "out.json"
    prompts = ["--point", "55,65.5", "--box", "30,40,80,90", "--point", "2,2"]
    assert main(["segment", str(photos / "0.png"), *prompts, "--json", str(listing), *LOW]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = [k for k, line in enumerate(lines) if line.startswith("  ") and not line.startswith("    ")][:3]
    assert [lines[k] for k in at] == ["  point 55,65.5", "  point 2,2", "  box 30,40,80,90"]
    found = {json.dumps(result["prompt"]): result for result in listed(listing)}
    for k, prompt in zip(
        at, ('{"point": [55.0, 65.5]}', '{"point": [2.0, 2.0]}', '{"box": [30.0, 40.0, 80.0, 90.0]}'), strict=False
    ):
        if prompt in found:
            left, top, width, height = found[prompt]["bbox"]  # type: ignore[misc]
            assert lines[k + 1].startswith("    ") and f"box {left},{top},{left + width},{top + height}" in lines[k + 1]
        else:
            assert lines[k + 1] == "    nothing there"
    assert '{"point": [55.0, 65.5]}' in found


def instances(names: list[str], class_scores: list[float], distance: float = np.nan) -> Instances:
    masks = [MaskCrop(10_000, 10_000, np.ones((4, 4), np.bool_)) for _ in names]
    found = Instances.from_masks(
        (20_000, 20_000),
        masks,
        np.linspace(0.9, 0.8, len(names)).astype(np.float32),
        class_ids=np.arange(len(names), dtype=np.int32),
        class_names=names,
        class_scores=np.array(class_scores, np.float32),
    )
    found.distances_m[:] = distance
    return found


def test_other_and_unsure_classes_are_explained() -> None:
    table = Table(0.35)
    lines = table.lines(
        "a.png", Segmentation(instances(["Mug", "Other", "Other", ""], [0.4, 0.52, 0.2, 0.1]), {}), Prompts()
    )
    assert [line.split()[4] for line in lines[1:]] == ["0.40", "0.52", "0.20?", "0.10?"]
    assert "Other: none of the model's classes" in table.legend()[0] and "`?`" in table.legend()[1]
    assert "--class-score-threshold 0.35" in table.legend()[1]
    plain = Table(0.35)
    lines = plain.lines("a.png", Segmentation(instances(["Mug", ""], [0.4, 0.0]), {}), Prompts())
    assert [line.split()[4] for line in lines[1:]] == ["0.40", "-"] and plain.legend() == []


def test_rows_fit_80_columns() -> None:
    long = instances(["a class name of forty characters, or more", "ToiletPaperHanger"], [1.0, 0.3], 10.0)
    asked = Prompts.from_flat([], [1, 2, 3, 4])
    table = Table(0.35)
    lines = [
        *table.lines("a.png", Segmentation(long, {}), Prompts()),
        *table.lines("a.png", Segmentation(long, {}, (0, 0)), asked),
        *"\n".join(Table(0.35).legend()).splitlines(),
    ]
    assert max(map(len, lines)) <= 80 and lines[1].startswith("  a class name of ..") and NAME_WIDTH == 18


def test_every_format_of_a_folder(photos: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(photos / "0.jpg"), picture(0))  # two photos of one stem
    out, masks = tmp_path / "out", tmp_path / "masks"
    command = ["segment", str(photos), "-o", str(out), "--format", "labels,coco,overlay", "--save-masks", str(masks)]
    assert main([*command, *LOW]) == 0
    names = ["0.jpg.png", "0.png.png", "1.png", "2.png", "3.png"]
    for kind in ("labels", "overlay"):
        assert sorted(path.name for path in (out / kind).iterdir()) == names
    coco = json.loads((out / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["0.jpg", "0.png", "1.png", "2.png", "3.png"]
    assert len(coco["annotations"]) > 0 and len({one["id"] for one in coco["annotations"]}) == len(coco["annotations"])
    category_names = {category["id"]: category["name"] for category in coco["categories"]}
    for image, name in zip(coco["images"], names, strict=True):
        rows = [one for one in coco["annotations"] if one["image_id"] == image["id"]]
        labels = cv2.imread(str(out / "labels" / name), cv2.IMREAD_UNCHANGED)
        assert labels.dtype == np.uint16 and labels.shape == (image["height"], image["width"]) == (120, 160)
        files = sorted((masks / name.removesuffix(".png")).iterdir())
        assert len(files) == len(rows) >= labels.max()
        for k, (file, row) in enumerate(zip(files, rows, strict=True)):
            mask = cv2.imread(str(file), cv2.IMREAD_UNCHANGED) == 255
            counts = row["segmentation"]["counts"]  # runs of 0 and 1 in turn, down the columns
            decoded = np.repeat(np.arange(len(counts)) % 2, counts).reshape(160, 120).T
            assert np.array_equal(decoded, mask) and not ((labels == k + 1) & ~mask).any()
            assert file.name == f"{k + 1:03d}_{category_names[row['category_id']]}.png"


def test_the_depth_of_one_photo_is_not_given_to_others(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    depth = tmp_path / "depth.png"
    cv2.imwrite(str(depth), np.full((120, 160), 800, np.uint16))
    assert main(["segment", str(photos / "0.png"), "--depth", str(depth), *LOW]) == 0
    capsys.readouterr()
    assert main(["segment", str(photos), "--depth", str(depth), *LOW]) == 1
    assert "expected a folder with the depth of each of the 4 photos" in error_of(capsys)


def test_a_coco_data_set_opens_in_pycocotools(photos: Path, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    assert main(["segment", str(photos), "-o", str(tmp_path / "a.json"), "--format", "coco", *LOW]) == 0
    opened = coco.COCO(str(tmp_path / "a.json"))
    annotations = opened.loadAnns(opened.getAnnIds())
    assert annotations and all(opened.annToMask(one).sum() == one["area"] for one in annotations)


def test_one_format_of_one_photo_is_the_file_that_is_named(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.png"
    assert main(["segment", str(photos / "0.png"), "-o", str(labels), "--format", "labels", *LOW]) == 0
    assert cv2.imread(str(labels), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    assert capsys.readouterr().out.splitlines()[-1] == f"written: {labels}"
    listing = tmp_path / "out.jsonl"
    assert main(["segment", str(photos), "--limit", "2", "--json", str(listing), *LOW]) == 0
    lines = [json.loads(line) for line in listing.read_text().splitlines()]
    assert [line["file_name"] for line in lines] == ["0.png", "1.png"] and lines[0]["objects"]


def test_masks_of_an_earlier_run_do_not_stay_among_the_new_ones(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "0"
    folder.mkdir()
    mine = {"077_Mug.png", "002_side_view.png", "notes.txt"}  # such as pictures for `saom teach`
    for name in mine:
        (folder / name).write_text("")
    command = ["segment", str(photos / "0.png"), "--save-masks", str(tmp_path)]
    assert main([*command, *LOW]) == 0
    before = {path.name for path in folder.iterdir()} - mine
    assert main([*command, "--score-threshold", "1"]) == 0
    assert len(before) > 1 and {path.name for path in folder.iterdir()} == mine


@pytest.mark.slow
def test_an_interrupted_run_has_every_format_in_the_end(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = tmp_path / "wanted.json"
    assert main(["segment", str(photos), "-o", str(wanted), "--format", "coco", *LOW]) == 0
    out = tmp_path / "out"
    command = ["segment", str(photos), "-o", str(out), "--format", "coco,labels", *LOW]
    with monkeypatch.context() as patch:
        interrupting(patch, "2.png")
        assert main(command) == 130
    names = interrupting(monkeypatch, "")
    assert main(command) == 0 and names == ["2.png", "3.png"]
    assert json.loads((out / "coco.json").read_text()) == json.loads(wanted.read_text())


@pytest.mark.slow
def test_json_says_what_things_stand_on_where_depth_and_intrinsics_are_given(tmp_path: Path) -> None:
    """And the table is no object there, unless it is asked for."""
    demo, answers = ROOT / "demo" / "sequence", tmp_path / "a.json"
    command = ["segment", str(demo / "image_000.jpg"), "--depth", str(demo / "depth_000.png"), "--threads", "1"]
    command += ["--json", str(answers)]
    assert main(command) == 0
    assert all("supported_by" not in result for result in json.loads(answers.read_text()))
    camera = ["--intrinsics", "570", "570", "319.5", "239.5"]
    assert main([*command, *camera]) == 0
    without = json.loads(answers.read_text())
    assert main([*command, *camera, "--no-drop-surfaces"]) == 0
    whole = json.loads(answers.read_text())
    surfaces = [result for result in whole if result["is_surface"]]
    assert surfaces and [result for result in whole if not result["is_surface"]] == without
    standing = [result for result in without if result["supported_by"] >= 0]
    assert standing and all(len(result["plane"]) == 4 and result["top_above_plane_m"] > 0 for result in standing)
