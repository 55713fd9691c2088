"""What is trained on what: one recipe for each network."""
