"""The `ai2thor` simulator: episode number -> scene of AI2-THOR -> frames from places spread over it.

    saom collect --simulator ai2thor --out data/thor --scenes ithor --randomize materials,lighting,spawn --size 640x480

Needs the simulator's build, which the ai2thor client downloads once (about 1 GB). Whatever happens to the simulator,
the episode goes on where it was: it is started anew, brought to the same state from the same seed, and asked again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from saom_core.errors import SaomError

from ...data.frames import Frame
from ..interface import CollectOptions, EpisodeFailed
from .frames import BadFrame, SimulatorFault, View, check_worth, is_place, make_frame
from .options import MachineOptions, ThorOptions, controller_keywords, initialize_keywords
from .process import ActionFailed, SimulatorDied, SimulatorProcess
from .scenes import SceneRef

VERSION = "3"  # goes up when the same seed gives other pictures or masks
VIEWS_PER_FRAME = 4  # places looked at in search of one frame
MAX_STARTS = 3  # in a row without a single answer: the simulator does not work here
MAX_TRIES = 3  # of the same view or scene before it is given up
MAX_DEADLY_VIEWS = 2  # in a row, each given up after its tries: the scene is left as it is
MAX_BAD_SCENES = 3  # in a row: it is not the scene that is broken
log = logging.getLogger(__name__)


def create(options: CollectOptions) -> AI2ThorSimulator:
    """The simulator that `saom collect` asks for; it starts with the first episode."""
    return AI2ThorSimulator(options)


class AI2ThorSimulator:
    """See `interface.Simulator`.

    Attributes:
        skipped: Views that gave no frame, by reason, since the start.
    """

    name = "ai2thor"
    version = VERSION

    def __init__(self, options: CollectOptions) -> None:
        self.options = options
        self.thor = ThorOptions.from_extra(options.extra)
        machine = MachineOptions(**options.machine)
        self.skipped: Counter[str] = Counter()
        self._scenes = self.thor.scene_list()
        self._process = SimulatorProcess(
            controller_keywords(options, self.thor, machine),
            initialize_keywords(self.thor),
            machine.start_timeout_s,
            machine.step_timeout_s,
        )
        self._bad_scenes = 0
        self._warned: set[str] = set()

    def scene_of(self, index: int) -> SceneRef:
        """The scene of an episode: all scenes in an order of the seed's, then all again."""
        order = np.random.default_rng((self.options.seed, len(self._scenes))).permutation(len(self._scenes))
        return self._scenes[int(order[index % len(order)])]

    def episode(self, index: int) -> list[Frame]:
        """Load the scene, randomise it, look at it from places spread over it.

        Raises:
            EpisodeFailed: If this scene cannot be shown.
            SaomError: If the simulator does not work at all.
        """
        scene = self.scene_of(index)
        before = self.skipped.copy()
        try:
            positions = self._set_up_safely(scene, index)
        except (ActionFailed, SimulatorDied) as error:
            self._give_up(scene, str(error))
        frames: list[Frame] = []
        deadly, faults = 0, []
        for view in self._views(positions, index):
            if len(frames) == self.options.frames_per_scene or deadly == MAX_DEADLY_VIEWS:
                break
            try:
                frames.append(self._frame_safely(scene, index, view))
                deadly = 0
            except BadFrame as bad:
                self.skipped[str(bad)] += 1
                faults.append(f"{bad}: {bad.detail}" if isinstance(bad, SimulatorFault) else "")
            except SimulatorDied as error:
                self.skipped["the simulator died"] += 1
                deadly += 1
                faults.append(str(error))
        if not frames and (deadly == MAX_DEADLY_VIEWS or all(faults)):  # else it is a dull scene
            self._give_up(scene, faults[-1])
        self._bad_scenes = 0
        for reason, count in (self.skipped - before).items():
            log.info("%s: %d views skipped: %s", scene.name, count, reason)
        return frames

    def close(self) -> None:
        """End the simulator."""
        self._process.close()

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            log.warning("AI2-THOR: %s", text)

    def _give_up(self, scene: SceneRef, error: str) -> NoReturn:
        self._bad_scenes += 1
        self._process.close()  # the next scene gets a fresh simulator
        if self._bad_scenes >= MAX_BAD_SCENES:
            raise SaomError(
                f"expected AI2-THOR to show a scene, but {MAX_BAD_SCENES} in a row failed, the last one {scene.name}: "
                f"{error}. What is done is kept; see ~/.ai2thor/log/unity.log and give the same command again"
            )
        raise EpisodeFailed(f"{scene.name} is left out, the same command will try it again: {error}")

    # --- with a simulator that may die at any moment

    def _start(self) -> None:
        for number in range(1, MAX_STARTS + 1):
            try:
                self._process.start()
                return
            except SimulatorDied as error:
                log.warning("AI2-THOR did not start (%d of %d): %s", number, MAX_STARTS, error)
                last = error
        raise SaomError(
            f"expected AI2-THOR to start, but it failed {MAX_STARTS} times, at last with: {last}. See "
            "~/.ai2thor/log/unity.log; if it needs longer give --start-timeout"
        )

    def _set_up_safely(self, scene: SceneRef, index: int) -> list[dict[str, float]]:
        for number in range(1, MAX_TRIES + 1):
            if not self._process.running:
                self._start()
            try:
                return self._set_up(scene, index)
            except SimulatorDied as error:
                log.warning("AI2-THOR died in setting up %s (%d of %d): %s", scene.name, number, MAX_TRIES, error)
                last = error
        raise last

    def _frame_safely(self, scene: SceneRef, index: int, view: View) -> Frame:
        for number in range(1, MAX_TRIES + 1):
            try:
                if not self._process.running:
                    self._set_up_safely(scene, index)
                return self._frame(scene, view)
            except ActionFailed as error:
                raise SimulatorFault("action refused", str(error)) from None
            except SimulatorDied as error:
                log.warning("AI2-THOR died in %s (%d of %d): %s", scene.name, number, MAX_TRIES, error)
                last = error
        raise last

    # --- with a simulator that answers

    def _set_up(self, scene: SceneRef, index: int) -> list[dict[str, float]]:
        """Load and randomise; the same scene and episode give the same state. Returns the reachable positions."""
        process, keywords = self._process, initialize_keywords(self.thor)
        process.reset(scene.house or scene.name, {**keywords, "agentMode": scene.agent_mode})
        start = ((scene.house or {}).get("metadata") or {}).get("agent")
        if start:
            process.step("TeleportFull", **start)  # a house has no other start
        self._randomize(np.random.default_rng((self.options.seed, index, 1)))
        found = process.step("GetReachablePositions")["action_return"]
        places = [place for place in found if is_place(place)] if isinstance(found, list) else []
        if not places:
            raise ActionFailed(f"GetReachablePositions found no position, it returned {str(found)[:80]}")
        return sorted(places, key=lambda place: (place["x"], place["z"], place["y"]))

    def _randomize(self, rng: np.random.Generator) -> None:
        seed, spawn_seed = (int(number) for number in rng.integers(1 << 31, size=2))
        chosen = self.thor.randomize
        spawn = {"forceVisible": False, "placeStationary": True, "numPlacementAttempts": 5}
        if chosen:
            self._try("SetRandomSeed", seed=seed)
        if "spawn" in chosen:
            self._try("InitialRandomSpawn", randomSeed=spawn_seed, **spawn)
        if "materials" in chosen:
            self._try("RandomizeMaterials")
        if "lighting" in chosen:
            self._try("RandomizeLighting", brightness=(0.5, 1.5), randomizeColor=True)

    def _try(self, action: str, **keywords: Any) -> None:
        """An action that some scenes or builds refuse, as where an object finds no place; they stay as they are."""
        try:
            self._process.step(action, **keywords)
        except ActionFailed as error:
            self._warn_once(f"{error}; such scenes are shown as they are")

    def _views(self, positions: list[dict[str, float]], index: int) -> Iterator[View]:
        rng = np.random.default_rng((self.options.seed, index, 2))
        spots = np.array([[place[axis] for axis in "xyz"] for place in positions])
        order = farthest_points(spots, min(len(spots), VIEWS_PER_FRAME * self.options.frames_per_scene), rng)
        for number in range(VIEWS_PER_FRAME * self.options.frames_per_scene):
            heading = 360.0 * int(rng.integers(self.thor.headings)) / self.thor.headings
            yield View(positions[order[number % len(order)]], heading, float(rng.choice(self.thor.horizons)))

    def _frame(self, scene: SceneRef, view: View) -> Frame:
        standing: dict[str, Any] = {} if scene.agent_mode == "locobot" else {"standing": True}  # a locobot cannot
        event = self._process.step(
            "TeleportFull",
            position=view.position,
            rotation={"x": 0, "y": view.heading, "z": 0},
            horizon=view.horizon,
            **standing,
        )
        if not event["camera_position"]:
            self._warn_once("it does not tell the camera's position; poses are those that were asked for")
        frame = make_frame(event, scene, self.options.size_hw, self.thor.field_of_view, view)
        check_worth(frame, self.thor.min_objects, self.thor.min_area)
        return frame


def farthest_points(points: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """Indices of `count` of (N, 3) points, each as far as can be from those before it; the first one is drawn."""
    chosen = [int(rng.integers(len(points)))]
    distances = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < min(count, len(points)):
        distances[chosen[-1]] = -1  # equal points are not chosen twice
        chosen.append(int(distances.argmax()))
        distances = np.minimum(distances, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return chosen
