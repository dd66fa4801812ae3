#!/usr/bin/env bash
# Makes the environment if need be, installs the test extras, runs the whole default test suite.
# Arguments go to pytest: ./test.sh -k prompt, ./test.sh -m slow
set -euo pipefail
cd "$(dirname "$0")"
source scripts/environment.sh
prepare_environment test
export TOKENIZERS_PARALLELISM=true
exec .venv/bin/python -m pytest "$@"
