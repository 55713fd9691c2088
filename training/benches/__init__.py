"""Measurements of speed and cost, one command each."""
