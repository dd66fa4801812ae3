#!/usr/bin/env bash
# Installs the test extras when needed, then runs the whole default test suite: ./test.sh [any option of pytest]
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
source scripts/environment.sh

prepare_environment test
exec .venv/bin/python -m pytest "$@"
