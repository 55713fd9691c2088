"""`saom dataset`: look at a data set, check it, merge several, and take in foreign formats."""
