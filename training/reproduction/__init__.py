"""`saom reproduce`: the paper's claim, measured."""
