#!/bin/bash
# Runs a command in the workspace's environment; exec, so that signals of `docker stop` reach it.
set -e
source /ws/venv/bin/activate
source /ws/install/setup.bash
exec "$@"
