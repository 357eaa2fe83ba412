"""The package is what the tree is, and the same however it is imported."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def folders():
    """Return the folders of the checkout that are packages, by package name."""
    app = ROOT / "app"
    found = {"andiron": "app"}
    for init in ROOT.rglob("__init__.py"):
        folder = init.parent.relative_to(ROOT)
        if folder.parts[0] in {"tests", "bench", "build", "examples"} or folder.parts[0].startswith(
            "."
        ):
            continue
        if any(part.startswith(".") or part == "node_modules" for part in folder.parts):
            continue
        name = ".".join(folder.parts)
        if folder != app.relative_to(ROOT):
            found["andiron." + name.removeprefix("app.")] = str(folder)
    return found


def test_every_folder_is_listed():
    assert SETUPTOOLS["package-dir"] == folders()
    assert SETUPTOOLS["packages"] == sorted(folders())


def test_no_package_claims_a_name_of_its_own():
    assert all(name.split(".")[0] == "andiron" for name in SETUPTOOLS["packages"])


def test_data_files_are_listed():
    patterns = SETUPTOOLS["package-data"]["andiron"]
    listed = {path for pattern in patterns for path in (ROOT / "app").glob(pattern)}
    data = {
        path
        for path in (ROOT / "app").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert listed == data


CHECKOUT = """
import app
from andiron.settings import Settings
import andiron, andiron.sm.link, andiron.websocket.config, sys
assert andiron is app is sys.modules["app"]
assert app.Settings is Settings
assert app.app is andiron.app
assert app.create_app().settings == app.app.settings
assert app.__version__ == "{version}"
"""
IMPORTED_FIRST = """
import andiron, app
assert app is andiron
"""
LAZY = """
import andiron, sys
assert "app" in vars(andiron)
assert not hasattr(andiron.app, "__rsgi__")
assert {"starlette", "pydantic", "slixmpp", "andiron.settings"}.isdisjoint(sys.modules)
from andiron import *
assert issubclass(SettingsError, ValueError)
assert Settings is andiron.Settings and create_app is andiron.create_app
assert isinstance(andiron.app.settings, Settings)
try:
    andiron.nothing
except AttributeError as error:
    assert str(error) == "module 'andiron' has no attribute 'nothing'"
else:
    raise AssertionError
"""
OTHERS_UNHARMED = """
import sys
before = set(sys.modules)
import andiron
andiron.app.settings
for name in ("app", "websocket", "bosh", "sm", "xmpp", "domain", "upstream"):
    assert name not in set(sys.modules) - before, name
"""


def python(code, cwd, *, path=""):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={"PYTHONPATH": str(path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("code", "in_checkout"),
    [
        (CHECKOUT, True),
        (IMPORTED_FIRST, True),
        (LAZY, False),
        (OTHERS_UNHARMED, False),
    ],
    ids=["checkout", "imported first", "lazy", "others unharmed"],
)
def test_imports(code, in_checkout, tmp_path):
    version = (ROOT / "app" / "version.py").read_text().split('"')[-2]
    code = code.replace("{version}", version)
    done = python(code, tmp_path, path=ROOT if in_checkout else "")
    assert done.returncode == 0, done.stderr


def test_a_hosts_own_package_of_the_name_app_is_left_alone(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("mine = True")
    code = "import app, andiron; andiron.app.settings; assert app.mine; assert app is not andiron"
    done = python(code, tmp_path, path=tmp_path)
    assert done.returncode == 0, done.stderr
