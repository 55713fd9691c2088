"""What the builders of the catalogue share: assembling objects, their looks and common parts."""
