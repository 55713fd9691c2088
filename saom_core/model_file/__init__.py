"""What stands in a saom-*.onnx file beside its network, and how it is read and written."""
