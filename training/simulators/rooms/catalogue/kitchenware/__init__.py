"""Builders of what stands in a kitchen: food, packages, tableware."""
