"""Photographs, depth pictures and videos in files."""
