"""What a data set is made of: frames, annotations, categories."""
