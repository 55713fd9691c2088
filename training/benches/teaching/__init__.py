"""What `saom bench-teach` is made of: objects of a data set, photographs, and what it costs the trained classes."""
