"""`saom replay`: recordings of foreign tools go in, and what foreign tools read comes out."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli_guard import in_one_line, saom

from saom_cli.main import main
from saom_core.camera import CameraIntrinsics
from saom_core.geometry.depth import Boxes3d, clean_depth, rotations_of
from saom_core.geometry.oriented_box import angle_between
from saom_core.instances import Instances, MaskCrop
from saom_core.model import Model, load
from saom_core.places.measure import BoxMemory
from saom_core.tracking.tracker import Tracker

pytest.importorskip("rosbags")
pytest.importorskip("mcap_ros2")

import recordings  # noqa: E402
from mcap.reader import make_reader  # noqa: E402
from mcap_ros2.decoder import DecoderFactory  # noqa: E402
from recordings import BEGIN_NS, COLOR, DEPTH, INFO, STEP_NS, record  # noqa: E402
from rosbags.highlevel import AnyReader  # noqa: E402
from rosbags.rosbag1 import Writer as Writer1  # noqa: E402
from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: E402
from rosbags.typesys import Stores, get_typestore  # noqa: E402

from saom_cli import replay  # noqa: E402
from saom_cli.kept import packed, unpacked  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
THREADS = ["--threads", "1"]
CAMERA = CameraIntrinsics(570.0, 570.0, 319.5, 239.5, 640, 480, "plumb_bob", (0.0,) * 5)


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("bag") / "in.mcap")


@pytest.fixture(scope="module")
def model() -> Model:
    return load(threads=1)


def answers_of(path: Path) -> dict[str, list[Any]]:
    """Topic -> its messages, as Foxglove's own reader gives them."""
    found: dict[str, list[Any]] = {}
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()])
        for _, channel, message, told in reader.iter_decoded_messages():
            found.setdefault(channel.topic, []).append((message.log_time, told))
    return found


def expected(model: Model, count: int, *, depth: bool = True) -> list[Instances]:
    """What the engine, the tracker and the memory of boxes say of the recording's pictures, without any recording."""
    tracker, memory, answers = Tracker(), BoxMemory(), []
    for number in range(count):
        rgb, millimetres = recordings.picture(number)
        metres = (millimetres / np.float32(1000)).astype(np.float32) if depth else None
        found = model.segmenter.segment(np.ascontiguousarray(rgb), metres, CAMERA, located=False).instances
        tracked = tracker.update(found, (BEGIN_NS + number * STEP_NS) / 1e9, CAMERA)
        if metres is not None:
            tracked = memory.locate(tracked, clean_depth(metres, 0.1, 10.0), CAMERA).without_surfaces()
        answers.append(tracked)
    return answers


def check_message(message: Any, wanted: Instances) -> None:
    assert (message.height, message.width) == wanted.size_hw and len(message.instances) == len(wanted) > 3
    for k, one in enumerate(message.instances):
        assert (one.label, one.track_id, one.class_name) == (k + 1, wanted.track_ids[k], wanted.class_names[k])
        assert one.score == pytest.approx(float(wanted.scores[k]), abs=1e-6)
        crop = np.repeat(np.arange(len(one.mask.counts)) % 2, one.mask.counts).reshape(one.mask.height, one.mask.width)
        dense = np.zeros(wanted.size_hw, bool)
        dense[one.mask.y_offset :, one.mask.x_offset :][: one.mask.height, : one.mask.width] = crop
        assert np.array_equal(dense, wanted.masks[k].dense(wanted.size_hw)) and one.mask.area == dense.sum()
        assert np.allclose(one.box_xyxy, wanted.boxes_xyxy[k])
        assert one.distance == pytest.approx(float(wanted.distances_m[k]), abs=1e-6, nan_ok=True)
        if wanted.centroids_m is not None and wanted.boxes3d is not None:
            for point, array in ((one.centroid, wanted.centroids_m), (one.box_size, wanted.boxes3d.sizes_m)):
                assert np.allclose((point.x, point.y, point.z), array[k], atol=1e-6, equal_nan=True)
            turn = one.box_pose.orientation
            quaternion = (turn.x, turn.y, turn.z, turn.w)
            assert np.allclose(quaternion, wanted.boxes3d.quaternions_xyzw[k], atol=1e-6, equal_nan=True)


@pytest.mark.slow
def test_foreign_tools_read_the_engines_answers(bag: Path, tmp_path: Path, model: Model) -> None:
    out = tmp_path / "out.mcap"
    assert main(["replay", str(bag), "-o", str(out), *THREADS]) == 0
    answers = answers_of(out)
    assert set(answers) == {"/saom/instances", "/saom/label_image"}
    for number, wanted in enumerate(expected(model, 3)):
        log_ns, message = answers["/saom/instances"][number]
        moment = BEGIN_NS + number * STEP_NS
        assert log_ns == moment + 5_000_000, "recorded when its picture was"
        check_message(message, wanted)
        assert (
            message.has_depth
            and message.model == model.info.name
            and message.class_names == list(model.info.class_names)
        )
        _, labels = answers["/saom/label_image"][number]
        for header in (message.header, labels.header):
            assert header.stamp.sec * 10**9 + header.stamp.nanosec == moment
            assert header.frame_id == "camera_color_optical_frame"
        pixels = np.frombuffer(labels.data, "<u2").reshape(labels.height, labels.width)
        assert labels.encoding == "mono16" and np.array_equal(pixels, wanted.label_image())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mcap"], "no draft is left"
    with AnyReader([out]) as reader:  # the other library, by the definitions that the file holds
        assert sum(1 for _ in reader.messages()) == 6


def test_boxes_of_a_still_scene_do_not_turn_with_the_noise_of_depth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb, still_mm = recordings.picture(0)

    def noisy(number: int) -> tuple[np.ndarray, np.ndarray]:
        noise_mm = np.random.default_rng(number).normal(0, 1.5e-6, still_mm.shape) * still_mm.astype(np.float64) ** 2
        return rgb, np.rint(still_mm + noise_mm).astype(np.uint16)

    monkeypatch.setattr(recordings, "picture", noisy)
    bag, out = record(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    assert main(["replay", str(bag), "-o", str(out), *THREADS]) == 0
    last: dict[int, np.ndarray] = {}
    turns_deg = []
    for _, message in answers_of(out)["/saom/instances"]:
        for one in message.instances:
            turn = one.box_pose.orientation
            axes = rotations_of(np.array([[turn.x, turn.y, turn.z, turn.w]]))[0]
            if one.track_id in last and np.isfinite(axes).all():
                turns_deg.append(angle_between(axes, last[one.track_id]))
            last[one.track_id] = axes
    assert len(turns_deg) > 15 and max(turns_deg) < 5


def interrupted_at(number: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ctrl-C when that picture's answer is kept; returns the numbers of those that are."""
    write, kept = replay.write_atomically, []

    def write_or_stop(path: Path, content: bytes) -> None:
        if path.suffix == ".npz":
            if int(path.stem) == number:
                raise KeyboardInterrupt
            kept.append(int(path.stem))
        write(path, content)

    monkeypatch.setattr(replay, "write_atomically", write_or_stop)
    return kept


@pytest.mark.slow
def test_an_interrupted_run_is_gone_on_with(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, out = tmp_path / "whole.mcap", tmp_path / "out.mcap"
    command = ["replay", str(bag), "-o", str(out), *THREADS]
    assert main(["replay", str(bag), "-o", str(whole), *THREADS]) == 0
    with monkeypatch.context() as patch:
        interrupted_at(2, patch)
        assert main(command) == 130
    said = capsys.readouterr()
    assert "2 of 3 pictures done; the same command goes on" in said.out and said.err.endswith("goes on from here\n")
    assert not out.exists()
    with monkeypatch.context() as patch:
        kept = interrupted_at(-1, patch)
        assert main(command) == 0 and kept == [2]
    assert "3 of 3 pictures done (2 of them before)" in capsys.readouterr().out
    assert str(answers_of(out)) == str(answers_of(whole)), "ids and names, too"
    with monkeypatch.context() as patch:
        interrupted_at(1, patch)
        assert main(command) == 130
    kept = interrupted_at(-1, monkeypatch)
    assert main([*command, "--score-threshold", "0.6"]) == 0 and kept == [0, 1, 2], "other options, other answers"


@pytest.mark.slow
def test_a_killed_run_is_gone_on_with(bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.mcap"
    out.write_bytes(b"an older one")
    command = ["replay", str(bag), "-o", str(out), *THREADS]
    program = (
        "import os, signal\nfrom saom_cli import replay\nfrom saom_cli.main import main\n"
        "pack = replay.packed\n"
        "def die(found): return os.kill(os.getpid(), signal.SIGKILL) if die.left == 0 else left(found)\n"
        "def left(found):\n    die.left -= 1\n    return pack(found)\n"
        f"die.left = 2; replay.packed = die; main({command!r})"
    )
    died = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode
    assert died == -signal.SIGKILL and out.read_bytes() == b"an older one"
    kept = interrupted_at(-1, monkeypatch)
    assert main(command) == 0 and kept == [2] and len(answers_of(out)["/saom/instances"]) == 3


def test_one_bad_picture_costs_itself_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = record(tmp_path / "in.mcap", broken=[1], depth=False)
    assert main(["replay", str(bag), "-o", str(tmp_path / "out.mcap"), *THREADS]) == 1
    said = capsys.readouterr()
    assert "picture 1: failed: image: expected 923520 bytes (step 1924 x height 480)" in in_one_line(said.err)
    assert "2 of 3 pictures done" in said.out
    stamps = [told.header.stamp.nanosec for _, told in answers_of(tmp_path / "out.mcap")["/saom/instances"]]
    assert stamps == [0, 2 * STEP_NS]


def converted(bag: Path, target: Path, kind: str) -> Path:
    """The same recording as another tool and storage keep it."""
    ros1 = kind == "ros1"
    store = get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.ROS2_JAZZY)
    writer = Writer1(target) if ros1 else Writer(target, version=9, storage_plugin=StoragePlugin[kind])
    with AnyReader([bag]) as reader, writer:
        out = {}
        for connection in reader.connections:
            out[connection.topic] = writer.add_connection(connection.topic, connection.msgtype, typestore=store)
        for connection, log_ns, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            if ros1:
                message = in_ros1(message, store)
                writer.write(out[connection.topic], log_ns, store.serialize_ros1(message, connection.msgtype))
            else:
                writer.write(out[connection.topic], log_ns, raw)
    return target


def in_ros1(message: Any, store: Any) -> Any:
    """ROS 1 has a sequence number in the header, and capital letters in CameraInfo."""
    kind = message.__msgtype__
    values = {}
    for name, _ in store.fielddefs[kind][1]:
        value = 0 if name == "seq" else getattr(message, name if hasattr(message, name) else name.lower())
        values[name] = in_ros1(value, store) if dataclasses.is_dataclass(value) else value
    return store.types[kind](**values)


@pytest.mark.parametrize(
    "kind", ["MCAP", pytest.param("SQLITE3", marks=pytest.mark.slow), pytest.param("ros1", marks=pytest.mark.slow)]
)
def test_every_kind_of_recording_gives_the_same(
    bag: Path, tmp_path: Path, kind: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = converted(bag, tmp_path / ("in.bag" if kind == "ros1" else "in"), kind)
    assert main(["replay", str(other), "-o", str(tmp_path / "out.mcap"), "--limit", "2", *THREADS]) == 0
    answers = answers_of(tmp_path / "out.mcap")["/saom/instances"]
    for (_, message), wanted in zip(answers, expected(model, 2), strict=True):
        check_message(message, wanted)


def test_topics_are_found_or_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str], model: Model) -> None:
    bag, out = record(tmp_path / "in.mcap", 1, compressed=True), tmp_path / "out.mcap"
    command = ["replay", str(bag), "-o", str(out), *THREADS]
    assert main(command) == 0
    assert f"{COLOR}, {DEPTH}, {INFO}" in capsys.readouterr().out, "raw pictures before the same as JPEG"
    assert main([*command, "--image-topic", f"{COLOR}/compressed", "--depth-topic", "none"]) == 0
    assert f"{COLOR}/compressed, no depth, {INFO}" in capsys.readouterr().out
    [(_, message)] = answers_of(out)["/saom/instances"]
    assert not message.has_depth and all(np.isnan(one.distance) for one in message.instances) and message.instances
    for option, topic in (("--image-topic", "/chatter"), ("--depth-topic", "/no"), ("--camera-info-topic", COLOR)):
        assert main([*command, option, topic]) == 1
        error = in_one_line(capsys.readouterr().err)
        assert error.startswith(f"saom replay: {option}: expected one of /camera") and error.endswith(f"got {topic}")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path, bag: None, "got nothing: check the path"),
        (lambda path, bag: path.write_bytes(b"no recording"), "`ros2 bag reindex`"),
        (lambda path, bag: path.mkdir(), "`ros2 bag reindex`"),
        (lambda path, bag: path.write_bytes(bag.read_bytes()[:-2000]), "`mcap recover`"),
    ],
)
def test_what_is_no_recording(
    bag: Path, tmp_path: Path, make: Callable[[Path, Path], object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "in.mcap", bag)
    assert main(["replay", str(tmp_path / "in.mcap"), "-o", str(tmp_path / "out.mcap"), *THREADS]) == 1
    assert message in in_one_line(capsys.readouterr().err) and not (tmp_path / "out.mcap").exists()


@pytest.mark.parametrize("name", ["photo.jpg", "folder"])
def test_what_has_no_name_of_a_recording(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        (path / "image_000.jpg").write_bytes(b"a photo")
    else:
        path.write_bytes(b"a photo")
    assert main(["replay", str(path), "-o", str(tmp_path / "out.mcap"), *THREADS]) == 1
    assert f"saom replay: expected a recording of ROS at {path}, got: " in in_one_line(capsys.readouterr().err)


def test_outputs_are_checked_first(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = bag.read_bytes()
    mine = tmp_path / "out.mcap.part"
    mine.mkdir()
    (mine / "thesis.txt").write_text("do not lose")
    for output, message in (
        (str(bag), "got one that is read"),
        (str(tmp_path / "out.bag"), "expected a file such as out.mcap"),
        (str(tmp_path / "out.mcap"), "got other files: choose another output"),
    ):
        assert main(["replay", str(bag), "-o", output, *THREADS]) == 1
        assert message in in_one_line(capsys.readouterr().err)
    assert bag.read_bytes() == before and (mine / "thesis.txt").read_text() == "do not lose"


def test_what_is_kept_comes_back_exactly() -> None:
    rng = np.random.default_rng(0)
    masks = [MaskCrop.from_dense(rng.random((30, 40)) > 0.5) for _ in range(3)] + [
        MaskCrop(5, 6, np.ones((1, 1), bool))
    ]
    found = Instances.from_masks(
        (30, 40), masks, rng.random(4).astype(np.float32), class_names=["Mug", "", "Tasse é", "x"]
    )
    boxes = Boxes3d(*(rng.random((4, n)).astype(np.float32) for n in (3, 4, 3)))
    for one in (
        found,
        dataclasses.replace(found, boxes3d=boxes, centroids_m=boxes.centers_m),
        Instances.empty((30, 40)),
    ):
        again = unpacked(packed(one))
        assert np.array_equal(again.dense_masks(), one.dense_masks()) and again.class_names == one.class_names
        for field in dataclasses.fields(one):
            value, other = getattr(one, field.name), getattr(again, field.name)
            if isinstance(value, np.ndarray):
                assert other.dtype == value.dtype and np.array_equal(other, value, equal_nan=value.dtype.kind == "f")
        assert (again.boxes3d is None) == (one.boxes3d is None)
    assert np.array_equal(unpacked(packed(dataclasses.replace(found, boxes3d=boxes))).boxes3d.sizes_m, boxes.sizes_m)


def replayed(bag: Path, out: Path, *options: str) -> list[Any]:
    """The answers for its pictures."""
    assert main(["replay", str(bag), "-o", str(out), *options, *THREADS]) == 0
    return [message for _, message in answers_of(out)["/saom/instances"]]


def distances_of(message: Any) -> list[float]:
    return [one.distance for one in message.instances]


def test_depth_of_another_unit_is_told_once_and_taken_by_its_scale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [usual] = replayed(record(tmp_path / "in.mcap", 1), tmp_path / "out.mcap")
    bag, out = record(tmp_path / "tenths.mcap", 2, per_millimetre=10), tmp_path / "tenths_out.mcap"
    capsys.readouterr()
    for message in replayed(bag, out, "--max-depth-m", "5"):
        assert message.instances and np.isnan(distances_of(message)).sum() > np.isnan(distances_of(usual)).sum()
    said = capsys.readouterr().err
    assert said.count("WARNING: depth: expected most distances") == 1
    assert "set depth_scale to 0.0001 (now 0.001)" in said
    first, _ = replayed(bag, out, "--max-depth-m", "5", "--depth-scale", "0.0001")
    assert "WARNING" not in capsys.readouterr().err
    assert np.isfinite(distances_of(usual)).any()
    assert np.allclose(distances_of(first), distances_of(usual), equal_nan=True)


def test_depth_that_cannot_be_right_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = record(tmp_path / "in.mcap", 2, per_millimetre=0)
    for message in replayed(bag, tmp_path / "out.mcap"):
        assert message.instances and not message.has_depth
    said = capsys.readouterr().err
    assert said.count("WARNING: depth: expected distances, got 307200 pixels without one") == 1
    assert "going on without depth" in said


def test_depth_of_another_frame_is_left_out_and_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag, out = record(tmp_path / "in.mcap", 2, depth_frame="camera_depth_optical_frame"), tmp_path / "out.mcap"
    for message in replayed(bag, out):
        assert message.instances and not message.has_depth and np.isnan(distances_of(message)).all()
    said = capsys.readouterr().err
    assert said.count("got 'camera_depth_optical_frame'") == 1 and "--no-check-frames" in said
    for message in replayed(bag, out, "--no-check-frames"):
        assert message.has_depth
    assert "WARNING" not in capsys.readouterr().err


def test_camera_info_of_another_frame_gives_no_positions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag, out = record(tmp_path / "in.mcap", 1, info_frame="camera_infra"), tmp_path / "out.mcap"
    [message] = replayed(bag, out)
    assert message.has_depth and all(np.isnan(one.centroid.x) for one in message.instances)
    assert capsys.readouterr().err.count("got 'camera_infra'") == 1
    [message] = replayed(bag, out, "--no-check-frames")
    assert any(np.isfinite(one.centroid.x) for one in message.instances)


def test_a_recording_is_shown_in_rerun(bag: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    from test_cli_view import recorded

    assert main(["view", str(bag), "-o", str(tmp_path / "out.rrd"), "--limit", "1", *THREADS]) == 0
    shown = recorded(tmp_path / "out.rrd")
    assert len(shown["/world/cloud"]["Points3D:positions"][0]) > 10_000 and shown["/world/boxes"]
    scale = ["--depth-scale", "0.0005", "-o", str(tmp_path / "half.rrd"), "--limit", "1"]
    assert main(["view", str(bag), *scale, *THREADS]) == 0
    near, far = (
        np.array(one["/world/cloud"]["Points3D:positions"][0]) for one in (recorded(tmp_path / "half.rrd"), shown)
    )
    assert np.allclose(near, far / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("option", "words"), [("--depth", ["depth.png"]), ("--intrinsics", ["525", "525", "319.5", "239.5"])]
)
def test_a_recording_refuses_what_is_for_photos(
    bag: Path, tmp_path: Path, option: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rerun")
    assert main(["view", str(bag), option, *words, "-o", str(tmp_path / "out.rrd"), *THREADS]) == 1
    error = in_one_line(capsys.readouterr().err)
    assert f"with a recording, got {option}:" in error and "--depth-topic and --camera-info-topic" in error


def test_rosbags_is_only_needed_for_this(tmp_path: Path) -> None:
    (tmp_path / "rosbags.py").write_text("raise ModuleNotFoundError(\"No module named 'rosbags'\", name='rosbags')")
    done = saom("replay", "in.mcap", "-o", "out.mcap", path=tmp_path)
    assert done.returncode == 2 and in_one_line(done.stderr).endswith("pip install rosbags")
