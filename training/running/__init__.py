"""How every training runs: loop and step, optimizer, precision, processes, workers, log, validation, resuming."""
