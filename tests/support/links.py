"""A connection between processes of which a test is the other end."""

import pytest

from andiron.cluster.hello import Hello
from andiron.cluster.link import LARGEST, Link


class Written(Link):
    """Keeps what is written, frame by frame."""

    def __init__(self):
        super().__init__(Hello("localhost", 1), LARGEST, LARGEST)
        self.written = []
        self.over_with = []

    def write(self, kind, call, payload=b""):
        self.written.append((kind, call, payload))

    def done(self, call, *, failed):
        self.over_with.append((call, failed))
        self.open_calls.pop(call, None)


@pytest.fixture
async def link():
    """One, on the running loop."""
    return Written()
