"""Labelled photographs, and how well a model finds and names what they show."""
