"""What all tests share."""

import signal

# A shell that runs a command in the background lets it ignore Ctrl-C, and what the command starts inherits that. Some
# tests send that signal to processes that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
