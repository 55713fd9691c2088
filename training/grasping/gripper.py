"""The Panda's hand with its contact physics, floating: read at run time from an installed robosuite (MIT).

Nothing of robosuite is imported: its MJCF and meshes are read from where the package lies. The hand hangs on no arm. A
weld pulls its wrist towards a mocap body, so reach and the arm's own collisions are not simulated, while those of hand
and fingers with everything are.
"""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np

from ..simulators.rooms.mujoco_world import COLLIDER_GROUP
from ..simulators.rooms.options import of_robosuite

PAD_FRICTION = 1.0  # rubber on dry plastic or wood; robosuite's own pads have 2
PAD_M = 0.0934  # from the hand's flange to the middle of the pads, along the approach
PARKED_M = np.array([0.0, 0.0, 12.0])  # above every ceiling
_TARGET, _WRIST, _PREFIX = "wrist_target", "wrist", "hand/"
_JOINTS = ("finger_joint1", "finger_joint2")  # robosuite's names; its drives are called gripper_ and the joint's name


def gripper_file() -> Path:
    """The MJCF of the Panda's hand.

    Raises:
        ConfigError: robosuite is not installed.
    """
    return of_robosuite("grippers/panda_gripper.xml", "model of a gripper")


def add_gripper(spec: mujoco.MjSpec) -> None:
    """Adds the hand, parked above the scene, to a model that is not compiled yet.

    Raises:
        ConfigError: robosuite is not installed.
    """
    hand = mujoco.MjSpec.from_file(str(gripper_file()))
    for body in hand.bodies:
        body.gravcomp = 1.0  # an arm would carry it
    for geom in hand.geoms:
        if geom.name.endswith("pad_collision"):
            geom.friction = [PAD_FRICTION, 0.02, 0.0001]
        if geom.name.endswith("_collision"):
            geom.group = COLLIDER_GROUP
    for site in hand.sites:
        site.group = COLLIDER_GROUP  # axes and a long ray, which a person may want to see, and no camera
    spec.worldbody.add_body(name=_TARGET, mocap=True, pos=PARKED_M)
    wrist = spec.worldbody.add_body(name=_WRIST, pos=PARKED_M, gravcomp=1.0)
    wrist.add_freejoint()
    wrist.mass, wrist.inertia, wrist.explicitinertial = 1.0, [0.01, 0.01, 0.01], True
    spec.attach(hand, prefix=_PREFIX, frame=wrist.add_frame())
    weld = spec.add_equality(type=mujoco.mjtEq.mjEQ_WELD, objtype=mujoco.mjtObj.mjOBJ_BODY)
    weld.name1, weld.name2 = _TARGET, _WRIST
    weld.solref, weld.solimp = [0.01, 1.0], [0.95, 0.99, 0.001, 0.5, 2.0]
    # contacts that hold without creeping (MuJoCo's documentation, "slippage")
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0


class Gripper:
    """The hand in a compiled model: where it is told to be, how far open, what it touches."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._model, self._data = model, data
        self._mocap = int(model.body_mocapid[model.body(_TARGET).id])
        self._wrist = int(model.jnt_qposadr[model.body_jntadr[model.body(_WRIST).id]])
        self._speed = int(model.body_dofadr[model.body(_WRIST).id])
        self._fingers = [int(model.joint(_PREFIX + name).qposadr[0]) for name in _JOINTS]
        self._drives = [int(model.actuator(f"{_PREFIX}gripper_{name}").id) for name in _JOINTS]
        self._bodies = {k for k in range(model.nbody) if model.body(k).name.startswith(_PREFIX)}

    def tell(self, pose: np.ndarray) -> None:
        """Where the pads' middle is to go: (4, 4), the jaw's frame to world."""
        flange, quat = pose[:3, 3] - PAD_M * pose[:3, 2], np.empty(4)
        mujoco.mju_mat2Quat(quat, np.ascontiguousarray(pose[:3, :3]).reshape(9))
        self._data.mocap_pos[self._mocap], self._data.mocap_quat[self._mocap] = flange, quat

    def put(self, pose: np.ndarray, opening_m: float) -> None:
        """Is there at once, at rest, with its pads so far apart."""
        self.tell(pose)
        data, wrist = self._data, self._wrist
        data.qpos[wrist : wrist + 3] = data.mocap_pos[self._mocap]
        data.qpos[wrist + 3 : wrist + 7] = data.mocap_quat[self._mocap]
        data.qvel[self._speed : self._speed + 8] = 0.0  # six of the wrist, and those of its children, the two fingers
        data.qpos[self._fingers] = opening_m / 2, -opening_m / 2
        self.grip(opening_m)

    def grip(self, opening_m: float) -> None:
        """How far apart the pads are to be; they press with at most 20 N each."""
        self._data.ctrl[self._drives] = opening_m / 2, -opening_m / 2

    @property
    def opening_m(self) -> float:
        """How far apart the pads are."""
        left, right = self._data.qpos[self._fingers]
        return float(left - right)

    def touches(self, body: int) -> bool:
        """Whether any part of the hand is in contact with a body."""
        pairs = self._model.geom_bodyid[self._data.contact.geom[: self._data.ncon]].tolist()
        return any((a == body and b in self._bodies) or (b == body and a in self._bodies) for a, b in pairs)
