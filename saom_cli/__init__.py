"""The `saom` command."""
