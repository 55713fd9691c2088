"""Solids and meshes of simulated objects: what they are, their shapes and bounds."""
