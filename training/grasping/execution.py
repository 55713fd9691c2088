"""A grasp carried out in physics, and whether it counts: lifted by 15 cm and held for two seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from .gripper import Gripper
from .planner import Grasp

TIMESTEP_S = 0.002
LIFT_M, COUNTS_M, HOLD_S = 0.18, 0.15, 2.0
APPROACH_M = 0.12
_STATE = mujoco.mjtState.mjSTATE_INTEGRATION
_FRAME_S = 0.02  # physics runs so long between two looks at it


@dataclass(frozen=True)
class Outcome:
    """What became of a grasp."""

    held: bool
    rise_m: float  # of the target, at least during the hold; or when it was given up


class Bench:
    """A settled world with a gripper in it, which every attempt finds in the same state.

    Args:
        model: MuJoCo's, with what `add_gripper` adds.
        data: Its state.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self.model, self.data = model, data
        self._seen: Callable[[], object] = lambda: None
        model.opt.timestep = TIMESTEP_S
        # rooms settles things with a few iterations; with so few a squeezed object may fly off
        model.opt.iterations, model.opt.ls_iterations = 50, 50
        self.gripper = Gripper(model, data)
        self._kept = np.empty(mujoco.mj_stateSize(model, _STATE))
        self.keep()

    def on_state(self, seen: Callable[[], object]) -> None:
        """Calls this from now on after every 20 ms of physics, for a film."""
        self._seen = seen

    def keep(self) -> None:
        """Remembers the state for `restore`."""
        mujoco.mj_getState(self.model, self.data, self._kept, _STATE)

    def restore(self) -> None:
        """The state that was kept."""
        mujoco.mj_setState(self.model, self.data, self._kept, _STATE)
        mujoco.mj_forward(self.model, self.data)

    def attempt(self, grasp: Grasp, body: int) -> Outcome:
        """Approaches, closes, lifts and holds; the world stays as it is then.

        Args:
            grasp: Where.
            body: MuJoCo's number of the target's body.
        """
        begin = float(self.data.xipos[body, 2])
        before = grasp.pose.copy()
        before[:3, 3] -= APPROACH_M * grasp.pose[:3, 2]
        self.gripper.put(before, grasp.opening_m)
        self.wait(0.06)
        self.move(before, grasp.pose, 0.6)
        self.gripper.grip(0.0)
        self.wait(0.5)
        high = grasp.pose.copy()
        high[2, 3] += LIFT_M
        self.move(grasp.pose, high, 0.9)
        rise = self._rise_m(body, begin)
        for _ in range(round(HOLD_S / 0.1)):
            if rise < COUNTS_M:
                return Outcome(False, rise)
            self.wait(0.1)
            rise = min(rise, self._rise_m(body, begin))
        return Outcome(rise >= COUNTS_M and self.gripper.touches(body), rise)

    def move(self, begin: np.ndarray, end: np.ndarray, seconds: float) -> None:
        """Moves the hand on a straight line from one pose to another of the same orientation, gently at both ends."""
        steps = max(1, round(seconds / _FRAME_S))
        for step in range(1, steps + 1):
            share = (1 - np.cos(np.pi * step / steps)) / 2
            pose = end.copy()
            pose[:3, 3] = begin[:3, 3] + share * (end[:3, 3] - begin[:3, 3])
            self.gripper.tell(pose)
            self._run(_FRAME_S)

    def wait(self, seconds: float) -> None:
        """Lets physics go on."""
        for _ in range(max(1, round(seconds / _FRAME_S))):
            self._run(_FRAME_S)

    def _run(self, seconds: float) -> None:
        mujoco.mj_step(self.model, self.data, round(seconds / TIMESTEP_S))
        if self.data.warning[mujoco.mjtWarning.mjWARN_BADQACC].number:  # MuJoCo has begun anew from the first state
            raise FloatingPointError("expected stable physics, got accelerations without bounds")
        self._seen()

    def _rise_m(self, body: int, begin: float) -> float:
        return float(self.data.xipos[body, 2]) - begin
