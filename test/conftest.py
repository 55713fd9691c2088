"""What all tests share."""

import signal
import sys

import pytest

# A shell that runs a command in the background lets it ignore Ctrl-C, and what the command starts inherits that. Some
# tests send that signal to processes that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Lets each test begin with one thread of torch, whatever a command took in the test before.

    Networks of tests are so small that threads lose more by waiting for each other than they gain; on cores that are
    busy they take ten times as long.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
