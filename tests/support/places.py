"""A place of its own for each test: no settings but those it makes."""

import os

import pytest


@pytest.fixture(autouse=True)
def clean_place(tmp_path, monkeypatch):
    """Work in an empty folder and without the environment's settings."""
    for variable in os.environ:
        if variable.upper().startswith("ANDIRON_"):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
