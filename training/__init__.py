"""The training side: simulated scenes, data set, training, evaluation, export."""

import os

# MuJoCo looks for its OpenGL library once, when it is first imported, which is always after this; egl needs no screen
os.environ.setdefault("MUJOCO_GL", "egl")
