"""SAM checkpoints in everything mode; needs torch and segment-anything."""
