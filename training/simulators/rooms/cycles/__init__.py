"""Colour of a `World` from Blender's path tracer, in the place of OpenGL's."""

from .quiet import import_blender

import_blender()
