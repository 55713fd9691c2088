"""Where the points of training go for networks of the SAM family (arXiv 2403.10780, nearest-neighbour assignment)."""
