"""The training side: simulated scenes, data set, training, evaluation, export."""
