"""Builders of furniture."""
