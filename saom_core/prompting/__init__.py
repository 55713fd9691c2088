"""What the network is asked: the grid of everything mode, or points and boxes."""
