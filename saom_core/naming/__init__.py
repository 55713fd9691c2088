"""What things are called: a classifier that knows photographs, metric size and the model's own head in one answer."""
