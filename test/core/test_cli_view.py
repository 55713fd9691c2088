"""`saom view`: what the viewer gets is what was found, read back from the file by Rerun itself."""

from __future__ import annotations

import json
import socket
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from test_cli_guard import in_one_line, saom

from saom_cli.main import main
from saom_core.camera import CameraIntrinsics
from saom_core.model import load
from saom_core.naming.track_looks import NamedStream
from saom_core.pictures.photos import read_photo
from saom_core.places.depth_files import read_depth

rr = pytest.importorskip("rerun")
chunks = pytest.importorskip("rerun.chunk")

SEQUENCE = Path(__file__).resolve().parents[2] / "test" / "sequence"
CAMERA = CameraIntrinsics(525.0, 525.0, 319.5, 239.5, 640, 480)
FRAMES = 2


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of photos with depth beside them."""
    folder = tmp_path_factory.mktemp("scene")
    for number in range(FRAMES):
        for kind, name in (("photos", f"image_{number + 8:03d}.jpg"), ("depth", f"depth_{number + 8:03d}.png")):
            (folder / kind).mkdir(exist_ok=True)
            target = folder / kind / f"{number}{Path(name).suffix}"
            target.write_bytes((SEQUENCE / name).read_bytes())
    return folder


def recorded(path: Path) -> dict[str, dict[str, list[Any]]]:
    """Entity -> component -> its values, frame by frame."""
    rows = []
    for chunk in chunks.RrdReader(str(path)).stream().to_chunks():
        columns = chunk.to_record_batch()
        wanted = [name for name in columns.schema.names if name == "frame" or ":" in name and "start_time" not in name]
        batch = columns.select(wanted).to_pydict()
        for row in range(chunk.num_rows):
            frame = batch["frame"][row] if "frame" in batch else -1
            values = {name: column[row] for name, column in batch.items() if ":" in name}
            rows.append((frame, str(chunk.entity_path), values))
    found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for _, entity, values in sorted(rows, key=lambda row: row[0]):
        for name, value in values.items():
            found[entity][name].append(value)
    return found


def test_the_viewer_gets_what_was_found(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.rrd"
    depth = ["--depth", str(scene / "depth"), "--intrinsics", "525", "525", "319.5", "239.5"]
    assert main(["view", str(scene / "photos"), *depth, "-o", str(out), "--threads", "1"]) == 0
    shown = recorded(out)
    stream = NamedStream(load(threads=1).segmenter)
    for k in range(FRAMES):
        image = read_photo(scene / "photos" / f"{k}.jpg")
        found = stream.update(image, k / 10, read_depth(scene / "depth" / f"{k}.png"), CAMERA)
        assert len(found) > 3 and found.boxes3d is not None
        names = [f"{track} {name or 'object'}" for track, name in zip(found.track_ids, found.class_names, strict=True)]
        boxes = shown["/world/camera/image/boxes"]
        half = np.array(boxes["Boxes2D:half_sizes"][k])
        corners = np.concatenate([np.array(boxes["Boxes2D:centers"][k]) - half, boxes["Boxes2D:centers"][k] + half], 1)
        assert boxes["Boxes2D:labels"][k] == names and np.allclose(corners, found.boxes_xyxy, atol=1e-3)
        masks = np.array(shown["/world/camera/image/masks"]["SegmentationImage:buffer"][k][0], np.uint8)
        values = masks.view(np.uint16).reshape(found.size_hw)
        wanted = np.concatenate([[0], found.track_ids + 1])[found.label_image()]
        assert np.array_equal(values, wanted)
        known = np.isfinite(found.boxes3d.centers_m).all(axis=1)
        solid = shown["/world/boxes"]
        assert known.any() and np.allclose(solid["Boxes3D:centers"][k], found.boxes3d.centers_m[known], atol=1e-5)
        assert np.allclose(2 * np.array(solid["Boxes3D:half_sizes"][k]), found.boxes3d.sizes_m[known], atol=1e-5)
        assert np.allclose(solid["Boxes3D:quaternions"][k], found.boxes3d.quaternions_xyzw[known], atol=1e-5)
        assert solid["Boxes3D:labels"][k] == [name for name, one in zip(names, known, strict=True) if one]
        points = np.array(shown["/world/cloud"]["Points3D:positions"][k])
        metres = cv2.imread(str(scene / "depth" / f"{k}.png"), cv2.IMREAD_UNCHANGED)[::2, ::2] / 1000
        assert len(points) == np.count_nonzero(metres) and np.allclose(
            np.sort(points[:, 2]), np.sort(metres[metres > 0])
        )
        at = points[:, :2] / points[:, 2:] * 525 + (319.5, 239.5)
        assert np.allclose(at, at.round(), atol=1e-2), "each point lies on the ray of its pixel"
        jpeg = np.array(shown["/world/camera/image"]["EncodedImage:blob"][k][0], np.uint8)
        assert np.abs(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1].astype(int) - image).mean() < 4


def test_pictures_without_depth_have_no_space(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.rrd"
    assert main(["view", str(scene / "photos"), "-o", str(out), "--limit", "1", "--threads", "1"]) == 0
    shown = recorded(out)
    assert "/world/camera/image/boxes" in shown and not {"/world/cloud", "/world/boxes"} & shown.keys()
    assert [one.name for one in tmp_path.iterdir()] == ["out.rrd"], "no draft is left"


def test_depth_in_another_unit_is_refused_or_told(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    millimetres = cv2.imread(str(scene / "depth" / "0.png"), cv2.IMREAD_UNCHANGED)
    np.save(tmp_path / "mm.npy", millimetres.astype(np.float32))
    command = ["view", str(scene / "photos" / "0.jpg"), "--depth", str(tmp_path / "mm.npy"), "--threads", "1"]
    command += ["-o", str(tmp_path / "out.rrd")]
    assert main(command) == 1
    assert "set depth_scale to 0.001 (now 1)" in in_one_line(capsys.readouterr().err)
    assert main([*command, "--depth-scale", "0.01", "--max-depth-m", "5"]) == 0  # ten times too far
    assert capsys.readouterr().err.count("mm.npy: depth: expected most distances to be 0.1 to 5 m") == 1
    assert main([*command, "--depth-scale", "0.001"]) == 0
    assert "WARNING" not in capsys.readouterr().err


def test_a_video_refuses_what_is_for_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["view", "clip.mp4", "-o", str(tmp_path / "out.rrd"), "--threads", "1"]
    for option, words in (("--depth", ["depth.png"]), ("--intrinsics", ["525", "525", "319.5", "239.5"])):
        assert main([*command, option, *words]) == 1
        assert f"with a video, got {option}:" in in_one_line(capsys.readouterr().err)


def free_port() -> int:
    """One whose neighbour is free, too."""
    for _ in range(50):
        with socket.socket() as one:
            one.bind(("", 0))
            port = int(one.getsockname()[1])
            with socket.socket() as next_one:
                try:
                    next_one.bind(("", port + 1))
                except (OSError, OverflowError):
                    continue
                return port
    raise AssertionError("no two free ports beside each other")


def test_a_browser_gets_the_viewer(
    scene: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port, pages = free_port(), []

    class Looking:
        """The person, who looks at the page and then presses Ctrl-C."""

        def wait(self) -> None:
            pages.append(urllib.request.urlopen(f"http://localhost:{port}/").read())
            raise KeyboardInterrupt

    monkeypatch.setattr("saom_cli.view.threading.Event", Looking)
    command = ["view", str(scene / "photos"), "--web", "--web-port", str(port), "--limit", "1", "--threads", "1"]
    assert main(command) == 130
    assert b"<html" in pages[0].lower() and f"open http://localhost:{port}/?url=rerun" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "use --web"),
        (["-o", "out.png"], "expected a file such as out.rrd"),
        (["-o", "out.rrd", "--web"], "expected -o or --web"),
        (["-o", "out.rrd", "--intrinsics", "0", "1", "1", "1"], "fx, fy > 0"),
    ],
)
def test_errors(
    scene: Path, tmp_path: Path, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["view", str(scene / "photos" / "0.jpg"), *arguments, "--threads", "1"]) == 1
    assert message in in_one_line(capsys.readouterr().err)


def test_rerun_is_only_needed_for_this(tmp_path: Path) -> None:
    (tmp_path / "rerun.py").write_text("raise ModuleNotFoundError(\"No module named 'rerun'\", name='rerun')")
    done = saom("view", "photo.jpg", path=tmp_path)
    assert done.returncode == 2 and in_one_line(done.stderr).endswith("pip install rerun-sdk")
    assert json.loads(saom("info", "--json", path=tmp_path).stdout)["name"]


def test_ros_is_only_needed_for_topics(tmp_path: Path) -> None:
    (tmp_path / "rclpy.py").write_text("raise ModuleNotFoundError(\"No module named 'rclpy'\", name='rclpy')")
    done = saom("view", "ros:/camera/image_raw", "-o", str(tmp_path / "out.rrd"), path=tmp_path)
    assert done.returncode == 2 and "source /opt/ros/jazzy/setup.bash" in in_one_line(done.stderr)
