"""AI2-THOR: scenes, options, the supervised process in which its client runs, and pictures made of its events."""
