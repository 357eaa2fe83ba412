"""What a process has alone, and its children have not."""

import contextlib
import os
import resource

import pytest

from andiron.sm.owned import disown, own

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to fork")


def in_child(what):
    """Return what a function returns in a child."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, what())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as answer:
        return answer.read()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"kept")
    number = os.open(path, os.O_RDWR)
    yield number
    disown(number)
    os.close(number)


def test_a_child_has_nothing_in_its_place(file):
    own(file)

    def look():
        os.write(file, b"lost")
        found = os.read(file, 4)
        os.close(file)
        return found + b"."

    assert in_child(look) == b"."
    assert os.read(file, 4) == b"kept"


def test_a_child_has_nothing_also_where_no_more_files_can_be_open(file):
    own(file)
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reading, writing = os.pipe()
    filling = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (writing + 64, hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                filling.append(os.dup(file))
        child = os.fork()
        if not child:
            os.write(writing, os.read(file, 4) + b".")
            os._exit(0)
        os.waitpid(child, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        for each in (*filling, writing):
            os.close(each)
    with os.fdopen(reading, "rb") as answer:
        assert answer.read() == b"."


def test_a_file_like_any_other_it_has(file):
    own(file)
    disown(file)
    disown(file)
    assert in_child(lambda: os.pread(file, 4, 0)) == b"kept"


def test_so_has_a_child_of_a_child_what_it_has_opened_itself(file, tmp_path):
    own(file)

    def look():
        os.close(file)
        again = os.open(tmp_path / "file", os.O_RDWR)
        assert again == file
        return in_child(lambda: os.read(again, 4))

    assert in_child(look) == b"kept"
