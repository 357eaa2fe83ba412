"""The examples of ``docs/testing.md`` run as they stand, in a pytest of their own."""

import re
import subprocess
import sys
from pathlib import Path

SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""
DOCS = Path(__file__).parents[3] / "docs"


def examples(page):
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def test_the_examples(tmp_path):
    (site,) = examples("bots.md")
    conftest, tests, script = examples("testing.md")
    (tmp_path / "mysite.py").write_text(site)
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_chat.py").write_text(tests)
    (tmp_path / "talk.py").write_text(script)
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    for command, told in ((pytest, "2 passed"), (["-W", "error", "talk.py"], "")):
        done = subprocess.run(
            [sys.executable, "-B", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert told in done.stdout
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"mysite.py", "conftest.py", "test_chat.py", "talk.py", "pytest.ini"}
