"""Readers of annotation files, one for each format that `saom dataset import` takes."""
