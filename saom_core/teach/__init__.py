"""New classes from a few example pictures, without training."""
