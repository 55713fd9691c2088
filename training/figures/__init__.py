"""Figures of a model on a data set, and the report and page that show them."""
