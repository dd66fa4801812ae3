"""`python -m finerank.cli` is `finerank`."""

from . import main

main()
