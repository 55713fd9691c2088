"""Shapes in metres from arrays alone: depth, oriented boxes, planes."""
