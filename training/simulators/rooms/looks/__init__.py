"""How surfaces look: materials, procedural textures, prints."""
