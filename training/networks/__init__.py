"""Networks in torch: saom-tiny, the fast head, the everything graphs that are exported, and their checkpoints."""
