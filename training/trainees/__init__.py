"""Networks as they are trained: what they begin with, and what they answer to a batch."""
