#!/usr/bin/env bash
# Installs the test extras when needed, then runs the whole default test suite: ./test.sh [any option of pytest]
# One process a core, four at most; `./test.sh -n 0` runs the tests one after another.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
source scripts/environment.sh

prepare_environment test
exec .venv/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile "$@"
