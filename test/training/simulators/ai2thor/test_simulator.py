"""The AI2-THOR collector: the genuine client against a stand-in simulator that crashes, hangs and lies."""

from __future__ import annotations

import inspect
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai2thor_stand_in import RANDOM

from saom_cli.main import main
from saom_core.errors import SaomError
from saom_core.taxonomy import OTHER
from saom_training.data.frames import Frame
from saom_training.dataset import Dataset
from saom_training.simulators.ai2thor.frames import UNKNOWN
from saom_training.simulators.ai2thor.options import ThorOptions
from saom_training.simulators.ai2thor.simulator import AI2ThorSimulator
from saom_training.simulators.interface import CollectOptions, EpisodeFailed, make_simulator

pytestmark = pytest.mark.slow

STAND_IN = Path(__file__).with_name("ai2thor_stand_in.py")
SIZE_HW = (48, 64)
SCENES = ("FloorPlan1", "FloorPlan321", "FloorPlan_Train1_1")
THOR = ThorOptions(scenes=SCENES, randomize=("materials", "lighting", "spawn"), initialize={"snapToGrid": False})
FRAMES = 4


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory: pytest.TempPathFactory):
    """The client keeps logs, locks and builds in ~/.ai2thor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


def command(state: Path, fault: str = "") -> str:
    return shlex.join([sys.executable, str(STAND_IN), "--state", str(state), *shlex.split(fault)])


Maker = Callable[..., AI2ThorSimulator]


@pytest.fixture
def simulator(tmp_path: Path):
    """A maker of simulators: `simulator("--fault hang", step_timeout_s=3)`."""
    made = []

    def make(fault: str = "", thor: ThorOptions = THOR, **machine: float) -> AI2ThorSimulator:
        machine_options = {"executable": command(tmp_path / "state", fault), **machine}
        options = CollectOptions("ai2thor", 3, SIZE_HW, FRAMES, thor.extra(), machine_options)
        made.append(make_simulator(options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    """The frames of episode 0 as they are when nothing goes wrong."""
    machine = {"executable": command(tmp_path_factory.mktemp("reference"))}
    one = make_simulator(CollectOptions("ai2thor", 3, SIZE_HW, FRAMES, THOR.extra(), machine))
    frames = one.episode(0)
    one.close()
    assert len(frames) == FRAMES
    return frames


def assert_same(frames: list[Frame], wanted: list[Frame]) -> None:
    assert len(frames) == len(wanted)
    for frame, other in zip(frames, wanted, strict=True):
        assert (frame.scene, frame.split, frame.objects) == (other.scene, other.split, other.objects)
        for name in ("image_rgb", "depth_m", "object_ids", "part_ids", "pose"):
            np.testing.assert_array_equal(getattr(frame, name), getattr(other, name))


# --- whole data sets


ARGUMENTS = ["--simulator", "ai2thor", "--scenes", ",".join(SCENES), "--randomize", "materials,lighting,spawn"]
ARGUMENTS += ["--initialize", "snapToGrid=false", "--size", "64x48", "--frames-per-scene", str(FRAMES), "--seed", "3"]
ARGUMENTS += ["--frames", str(3 * FRAMES), "--workers", "1"]


def content(path: Path) -> dict[str, bytes]:
    """All files of a data set but its index, which is made of the shards."""
    files = (file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith((".", "index.")))
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    """A data set of three scenes, and the actions that the simulator was asked for."""
    folder = tmp_path_factory.mktemp("collected")
    assert main(["collect", *ARGUMENTS, "--out", str(folder / "set"), "--executable", command(folder / "state")]) == 0
    return folder / "set", [json.loads(line) for line in (folder / "state" / "log.jsonl").read_text().splitlines()]


def test_a_data_set_holds_real_objects_with_their_types(collected: tuple[Path, list[dict]]):
    path, _ = collected
    merged, apart = Dataset.open(path), Dataset.open(path, sub_objects="apart")
    assert len(merged) == 3 * FRAMES
    names = Counter(name for index in range(len(merged)) for name in merged[index].class_names)
    assert set(names) <= {"Dresser", "Mug", "Sink", "Sofa", "Book", OTHER}
    assert {"Dresser", "Sofa", OTHER} <= set(names)
    whole_of = set()
    for index in range(len(apart)):
        sample = apart[index]
        for row, part_of in enumerate(sample.part_of):
            if part_of >= 0:
                whole_of.add((sample.class_names[row], sample.class_names[part_of]))
                assert not (sample.masks[row] & sample.masks[part_of]).any()
                whole = merged[index].masks[merged[index].class_names.index(sample.class_names[part_of])]
                assert whole[sample.masks[row]].all()
    assert whole_of <= {("Drawer", "Dresser"), ("SinkBasin", "Sink")}
    assert ("Drawer", "Dresser") in whole_of
    assert dict(zip(merged.scenes(), merged.splits(), strict=True)) == {
        "FloorPlan1": "train",
        "FloorPlan321": "val",
        "FloorPlan_Train1_1": "train",
    }


def test_what_decides_the_pictures_is_recorded_and_what_does_not_is_not(collected: tuple[Path, list[dict]]):
    path, _ = collected
    stored = json.loads((path / "dataset.json").read_text())
    assert ThorOptions.from_extra(stored["extra"]) == THOR
    assert "machine" not in stored
    assert "stand_in" not in json.dumps(stored)


def test_the_simulator_is_asked_as_it_wants_to_be(collected: tuple[Path, list[dict]]):
    _, actions = collected
    initialize = [action for action in actions if action["action"] == "Initialize"]
    assert all(action["renderDepthImage"] and action["renderInstanceSegmentation"] for action in initialize)
    assert all(action["snapToGrid"] is False and action["gridSize"] == 0.25 for action in initialize)
    assert {action.get("agentMode", "default") for action in initialize} == {"default", "locobot"}
    scene, spots = "", {}
    for action in actions:
        scene = action.get("sceneName", scene)
        if action["action"] == "TeleportFull":
            spots.setdefault(scene, []).append(tuple(action["position"].values()))
            assert -30 <= action["horizon"] <= 60
            assert ("standing" in action) == ("_Train" not in scene)
    for found in spots.values():  # 2 m wide: four spread points lie far apart
        first = np.array(found[:FRAMES])
        distances = np.linalg.norm(first[:, None] - first, axis=-1)[~np.eye(len(first), dtype=bool)]
        assert distances.min() >= 1.0
    wanted = {"SetRandomSeed", "RandomizeMaterials", "RandomizeLighting", "InitialRandomSpawn"}
    assert wanted <= {action["action"] for action in actions}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_killed_in_mid_episode_it_loses_no_finished_frame(tmp_path: Path, collected: tuple[Path, list[dict]]):
    """The simulator hangs within the second episode, the collector is killed with -9, the same command goes on."""
    (tmp_path / "tmp").mkdir()
    out, state = tmp_path / "set", tmp_path / "state"
    hanging = command(state, f"--fault hang --at {FRAMES + 2}")
    arguments = [*ARGUMENTS, "--out", str(out)]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "saom_cli.main",
            "collect",
            *arguments,
            "--executable",
            hanging,
            "--step-timeout",
            "3600",
        ],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
    )
    deadline = time.monotonic() + 240
    while not (state / "struck").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
    finished = content(out / "shards")
    assert len(finished) == 1
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    simulators = [int(path.name[4:]) for path in state.glob("pid-*")]
    while any(alive(pid) for pid in simulators) or list((tmp_path / "tmp").glob("saom*")):  # nothing is left behind
        assert time.monotonic() < deadline
    # the killed one's worker may hold the lock a moment
    while main(["collect", *arguments, "--executable", command(state)]) == 1:
        assert time.monotonic() < deadline
    assert finished.items() <= content(out / "shards").items()
    assert content(out) == content(collected[0])


# --- a simulator that dies


@pytest.mark.parametrize("fault", ["abort", "exit", "hang", "exit-at-start", "garbage", "sequence", "no-success"])
def test_it_goes_on_after_a_death(simulator: Maker, reference: list[Frame], fault: str):
    # a time-out may come too early on a busy machine: then there is one more start, and the frames are the same
    limits = {"step_timeout_s": 10, "start_timeout_s": 120} if fault == "hang" else {}
    one = simulator(f"--fault {fault} --at 3", **limits)
    assert_same(one.episode(0), reference)
    assert not one.skipped


def test_a_simulator_that_dies_in_loading_a_scene_is_replaced(simulator: Maker, reference: list[Frame]):
    """The first Reset is the client's own at its start, the second one is ours: its pipe is broken or at its end."""
    assert_same(simulator("--fault exit-at-reset --at 2").episode(0), reference)


def test_a_simulator_that_hangs_at_the_start_is_replaced(simulator: Maker, reference: list[Frame]):
    assert_same(simulator("--fault hang-at-start", start_timeout_s=15).episode(0), reference)


def test_a_simulator_that_never_starts_is_told(simulator: Maker):
    with pytest.raises(SaomError, match="failed 3 times.*--start-timeout"):
        simulator("--fault exit-at-start --times 0").episode(0)


def test_without_a_build_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    thor = ThorOptions(platform="cloud")
    one = make_simulator(CollectOptions("ai2thor", 0, SIZE_HW, 1, thor.extra()))
    with pytest.raises(SaomError, match=r"internet.*HTTPS_PROXY.*releases/thor-CloudRendering-\w+/.*metadata.json"):
        one.episode(0)


# --- a simulator that lies


def test_objects_that_are_no_objects_are_background(simulator: Maker, reference: list[Frame]):
    one = simulator("--fault no-object")
    for frame, true in zip(one.episode(0), reference, strict=False):
        assert not {"Mug", "Sofa"} & {item.class_name for item in frame.objects}
        if np.array_equal(frame.pose, true.pose):
            hidden = np.isin(
                true.object_ids, [i for i, o in enumerate(true.objects) if o.class_name in ("Mug", "Sofa")]
            )
            np.testing.assert_array_equal(frame.object_ids >= 0, (true.object_ids >= 0) & ~hidden)


@pytest.mark.parametrize(
    ("fault", "reason"), [("empty", "too few objects"), ("wrong-size", "pictures missing or of the wrong size")]
)
def test_useless_pictures_are_skipped_and_counted(simulator: Maker, reference: list[Frame], fault: str, reason: str):
    one = simulator(f"--fault {fault} --at 3 --times 0")
    assert_same(one.episode(0), reference[:2])
    assert one.skipped == {reason: 4 * FRAMES - 2}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("wrong-size", r"wrong size: expected image_rgb of \(48, 64, 3\), got \(46, 64, 3\)"),
        ("refuse", "action refused: TeleportFull was refused: the place is taken"),
        ("no-positions", "GetReachablePositions found no position, it returned None"),
    ],
)
def test_a_simulator_of_no_use_is_told_and_nothing_is_stored(simulator: Maker, fault: str, said: str):
    one = simulator(f"--fault {fault} --times 0")
    for index in (0, 1):
        with pytest.raises(EpisodeFailed, match=said):
            one.episode(index)
    with pytest.raises(SaomError, match=f"3 in a row failed.*{said}"):
        one.episode(2)


def test_refused_actions_are_skipped_and_counted(simulator: Maker):
    one = simulator("--fault refuse --at 2 --times 2")
    assert len(one.episode(0)) == FRAMES
    assert one.skipped == {"action refused": 2}


# --- simulators of other manners


def test_a_simulator_that_tells_no_more_than_it_must(simulator: Maker, caplog: pytest.LogCaptureFixture):
    """No boxes, no camera, no clipping planes, no list of scenes, no randomisation: the pictures are the same."""
    usual = simulator(thor=ThorOptions(scenes=SCENES)).episode(0)
    spare = simulator("--manner spare").episode(0)
    assert len(spare) == FRAMES
    for frame, other in zip(spare, usual, strict=True):
        np.testing.assert_array_equal(frame.image_rgb, other.image_rgb)
        np.testing.assert_allclose(frame.depth_m, other.depth_m, rtol=1e-5)
        np.testing.assert_allclose(frame.pose, other.pose, atol=1e-9)
        np.testing.assert_array_equal(frame.object_ids >= 0, other.object_ids >= 0)
        for number, item in enumerate(other.objects):
            same = next(k for k, one in enumerate(frame.objects) if one.style == item.style)
            whole = (other.object_ids == number) & ((other.part_ids == 0) | (item.class_name == "Sink"))
            np.testing.assert_array_equal(frame.object_ids == same, whole)  # drawers are objects of their own
    assert all(f"{action} was refused" in caplog.text for action in RANDOM)
    assert "camera's position" in caplog.text


def test_a_simulator_that_tells_more_than_it_was_asked_for(simulator: Maker, reference: list[Frame]):
    lavish = simulator("--manner lavish").episode(0)
    assert len(lavish) == FRAMES
    for frame, other in zip(lavish, reference, strict=True):
        for name in ("image_rgb", "depth_m", "object_ids", "part_ids", "pose"):
            np.testing.assert_array_equal(getattr(frame, name), getattr(other, name))
        assert frame.objects[: len(other.objects)] == other.objects
        assert [(item.class_name, item.style) for item in frame.objects[len(other.objects) :]] == [(OTHER, UNKNOWN)]


def test_houses(simulator: Maker, tmp_path: Path):
    house = {"rooms": [], "metadata": {"agent": {"position": {"x": 0, "y": 0.9, "z": 0}, "rotation": {"y": 90}}}}
    house["metadata"]["agent"].update(horizon=30, standing=True)
    good, broken = tmp_path / "good.jsonl", tmp_path / "broken.json"
    good.write_text(json.dumps(house) + "\n" + json.dumps({**house, "split": "test"}) + "\n")
    broken.write_text(json.dumps([{**house, "broken": True}] * 3))
    from saom_training.simulators.ai2thor.scenes import HouseFile

    one = simulator(thor=ThorOptions(scenes=(), houses=(HouseFile.parse(f"val={good}"),)))
    frames = [*one.episode(0), *one.episode(1)]
    assert Counter((frame.scene[-5:], frame.split) for frame in frames) == {("00000", "val"): 4, ("00001", "test"): 4}
    one = simulator(thor=ThorOptions(scenes=(), houses=(HouseFile.parse(str(broken)),)))
    for index in (0, 1):
        with pytest.raises(EpisodeFailed, match="no roof"):
            one.episode(index)
    with pytest.raises(SaomError, match="3 in a row failed.*no roof"):
        one.episode(2)


def test_an_episode_that_failed_is_not_stored(tmp_path: Path):
    """The simulator dies of every picture of the first scene; the same command makes it when it is well again."""
    arguments = [*ARGUMENTS, "--frames", str(FRAMES), "--out", str(tmp_path / "set"), "--executable"]
    deadly = command(tmp_path / "state", "--fault exit --at 1 --times 6")  # two views, three tries each
    assert main(["collect", *arguments, deadly]) == 0
    assert not content(tmp_path / "set" / "shards")
    assert main(["collect", *arguments, deadly]) == 0
    assert len(Dataset.open(tmp_path / "set")) == FRAMES


def test_keywords_are_the_clients_own():
    from ai2thor._quality_settings import QUALITY_SETTINGS
    from ai2thor.controller import Controller

    from saom_training.simulators.ai2thor.options import QUALITIES, MachineOptions, controller_keywords

    known = inspect.signature(Controller.__init__).parameters
    for machine in (MachineOptions(), MachineOptions(executable=sys.executable)):
        assert set(controller_keywords(CollectOptions("ai2thor", 0, SIZE_HW, 1), THOR, machine)) <= set(known)
    assert set(QUALITIES) == {name for name, level in QUALITY_SETTINGS.items() if level > 0}
