"""Photographs and videos, in files and from cameras."""
