"""Where instances are: measured in metres, standing on planes, brought to other frames and cameras."""
