"""Where instances are: depth in files and metres, standing on planes, brought to other frames and cameras."""
