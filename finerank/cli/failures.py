"""How a command ends when something goes wrong: one sentence and an exit code, never a traceback.

0    done
1    the model, the hub or the engine failed; a check of `doctor` failed; no document could be scored
2    the command line or the documents cannot be used
130  Ctrl-C
141  whoever read the output has gone (`| head`)
"""

import os
import sys
from typing import Any, Final

import typer
from typer.core import TyperGroup

from ..errors import FinerankError, InputError, SettingsError
from ..extras import remedy_for
from .console import complain

FAILED: Final = 1
UNUSABLE: Final = 2
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141


class FriendlyGroup(TyperGroup):
    """The group of all commands; turns what they raise into sentences."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except FinerankError as error:
            complain(str(error))
            raise typer.Exit(UNUSABLE if isinstance(error, InputError | SettingsError) else FAILED) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error
        except BrokenPipeError as error:
            _forget_stdout()
            raise typer.Exit(BROKEN_PIPE) from error
        except ModuleNotFoundError as error:
            remedy = remedy_for(error)
            if remedy is None:
                raise
            complain(remedy)
            raise typer.Exit(UNUSABLE) from error
        except Exception as error:
            _say_did_you_mean(error)
            raise


def _forget_stdout() -> None:
    """What is still buffered goes nowhere, or Python would complain when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say_did_you_mean(error: Any) -> None:
    """Of an unknown option typer knows the nearest ones, but only lists them as possible."""
    nearest = getattr(error, "possibilities", None)
    if nearest and hasattr(error, "message"):
        error.message = f"{error.message}. Did you mean {' or '.join(sorted(nearest))}?"
        error.possibilities = None
