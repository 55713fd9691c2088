"""From pictures of a data set to the items that a training step takes."""
