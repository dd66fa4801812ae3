"""`./start.sh`: installs once, again only when what to install has changed, and passes every option on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = f"""#!/bin/bash
# Stands for .venv/bin/python: installs nothing, notes what it was asked to.
if [ "$1" = -m ]; then
    echo "$*" >> installed.log
    printf '#!/bin/bash\\necho "finerank $*"\\n' > .venv/bin/finerank
    chmod +x .venv/bin/finerank
else
    exec {sys.executable} "$@"
fi
"""

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout whose virtual environment is there, but empty."""
    folder = tmp_path / "a checkout"
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "start.sh", folder)
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / "pyproject.toml").write_text("one", encoding="utf-8")
    (folder / "constraints.txt").write_text("two", encoding="utf-8")
    write_program(folder / ".venv" / "bin" / "python", PYTHON)
    return folder


def write_program(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)


def start(project: Path, *options: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": path if path is not None else os.environ["PATH"]}
    command = [shutil.which("bash") or "bash", str(project / "start.sh"), *options]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", env=environment, check=False)


def installs(project: Path) -> list[str]:
    log = project / "installed.log"
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def test_it_installs_and_passes_options_on(project: Path) -> None:
    run = start(project, "--port", "0", "--model", "a b")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "finerank serve --port 0 --model a b"
    assert installs(project) == ["-m pip install --quiet --disable-pip-version-check -c constraints.txt -e .[all]"]


def test_the_second_time_it_installs_nothing(project: Path) -> None:
    start(project)
    run = start(project)
    assert "installing" not in run.stdout
    assert len(installs(project)) == 1


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_it_installs_again_when_what_to_install_changes(project: Path, name: str) -> None:
    start(project)
    (project / name).write_text("three", encoding="utf-8")
    start(project)
    assert len(installs(project)) == 2


def test_an_installation_that_failed_is_tried_again(project: Path) -> None:
    write_program(project / ".venv" / "bin" / "python", PYTHON.replace("echo", "exit 1; echo", 1))
    assert "the installation failed" in start(project).stderr
    write_program(project / ".venv" / "bin" / "python", PYTHON)
    assert start(project).returncode == 0


def test_an_old_python_is_named(project: Path, tmp_path: Path) -> None:
    shutil.rmtree(project / ".venv")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("dirname", "cat"):
        (tools / name).symlink_to(shutil.which(name) or name)
    old = '#!/bin/bash\nif [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi\n'.replace(
        "/bin/bash", shutil.which("bash") or "/bin/bash"
    )
    write_program(tools / "python3", old)
    run = start(project, path=str(tools))
    assert run.returncode == 1
    assert "needs Python 3.11 or newer; found Python 3.9.2" in run.stderr
    assert not (project / ".venv").exists()
