"""What stays the same from frame to frame: ids and names."""
