"""How every training runs: steps, schedule, averaging, precision, processes, resuming."""
