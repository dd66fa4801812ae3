"""What `import finerank` offers, and what it costs."""

import subprocess
import sys

import finerank


def test_all_is_complete_and_sorted() -> None:
    assert finerank.__all__ == sorted(
        finerank.__all__, key=lambda name: (not name.isupper(), name.startswith("__"), name)
    )
    for name in finerank.__all__:
        assert getattr(finerank, name) is not None
    from finerank import errors

    defined = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert defined <= set(finerank.__all__)


def test_unknown_names_are_attribute_errors() -> None:
    assert not hasattr(finerank, "nonsense")


def test_import_loads_no_torch() -> None:
    code = "import sys; from finerank import PRESETS, InputError, RankedDocument; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
