"""What to say where a framework is not installed."""


def needed(error: ModuleNotFoundError, package: str) -> ModuleNotFoundError:
    """The error to raise instead: `package` is what pip calls the framework."""
    return ModuleNotFoundError(
        f"this adapter of finerank needs {package} ({error}): pip install {package}", name=error.name
    )
