"""`python3 app.py [options]` is `finerank serve [options]`, for those who learned it so. See ./start.sh to install."""

import sys


def main() -> None:
    try:
        from finerank.cli import main as finerank
    except ModuleNotFoundError as error:
        sys.exit(f"app.py: {error.name} is not installed for {sys.executable}; run ./start.sh, which installs all")
    sys.argv = ["finerank", "serve", *sys.argv[1:]]
    finerank()


if __name__ == "__main__":
    main()
