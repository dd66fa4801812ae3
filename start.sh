#!/usr/bin/env bash
# Installs finerank beside this file when needed, then serves it: ./start.sh [any option of `finerank serve`]
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
source scripts/environment.sh

prepare_environment all
say "starting: finerank serve $*"
exec .venv/bin/finerank serve "$@"
