"""`rooms`: a simulator of furnished rooms and cluttered table-tops on MuJoCo, all from a seed."""

import os

# MuJoCo chooses its OpenGL library when it is first imported, which must not be before this; no screen is needed
os.environ.setdefault("MUJOCO_GL", "egl")
