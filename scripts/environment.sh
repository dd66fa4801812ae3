# Sourced by start.sh and test.sh, in the checkout's folder: makes .venv and installs finerank into it, once.

say() { printf 'finerank: %s\n' "$*"; }
die() { printf 'finerank: %s\n' "$*" >&2; exit 1; }

# prepare_environment EXTRA: leaves .venv with finerank and that extra of it. Installs only when pyproject.toml or
# constraints.txt has changed since the last time.
prepare_environment() {
    local extra=$1 stamp=.venv/finerank-$1-installed python
    if [ ! -x .venv/bin/python ]; then
        python=$(find_python)
        say "making the virtual environment .venv with $("$python" --version)"
        "$python" -m venv .venv || die "could not make .venv; on Debian and Ubuntu: apt install python3-venv"
    fi
    .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die ".venv has $(.venv/bin/python --version), finerank needs 3.11 or newer; delete .venv and try again"
    if [ "$(cat "$stamp" 2> /dev/null)" != "$(hash_of_wanted)" ]; then
        say "installing finerank[$extra] into .venv (once; several minutes)"
        .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$extra]" ||
            die "the installation failed; the lines above say why"
        hash_of_wanted > "$stamp"
    fi
}

# Prints the first Python on the path that is new enough.
find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            echo "$name"
            return
        fi
    done
    die "needs Python 3.11 or newer; found $(python3 --version 2> /dev/null || echo none). Install it, then try again."
}

# Changes when what should be installed changes.
hash_of_wanted() {
    .venv/bin/python -c 'import hashlib, pathlib
files = map(pathlib.Path, ("pyproject.toml", "constraints.txt"))
print(hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest())'
}
