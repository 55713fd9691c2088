"""The user's own meshes as objects of the rooms: folders of files, and furniture libraries of Sweet Home 3D."""
