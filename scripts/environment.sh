# Sourced by start.sh and test.sh: makes .venv beside the checkout and installs finerank into it, once.

# prepare_environment EXTRA: leaves .venv with the package and that extra. Installs only when pyproject.toml or
# constraints.txt changed since the last time.
prepare_environment() {
    local extra=$1
    local stamp=".venv/.installed-$extra" wanted
    wanted=$(cat pyproject.toml constraints.txt | cksum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return
    fi
    if [ ! -x .venv/bin/python ]; then
        echo "Making the virtual environment .venv ..."
        "$(find_python)" -m venv .venv
    fi
    echo "Installing finerank[$extra] into .venv (the first time takes some minutes) ..."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$extra]"
    echo "$wanted" > "$stamp"
}

# find_python: prints the first Python of at least 3.11; PYTHON names another one.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" > /dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "$candidate"
            return
        fi
    done
    echo "finerank needs Python 3.11 or newer; install it, or name it: PYTHON=/path/to/python3 $0" >&2
    return 1
}
