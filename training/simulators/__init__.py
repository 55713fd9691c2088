"""Where pictures come from: simulators behind one small interface, and collecting on many machines."""
