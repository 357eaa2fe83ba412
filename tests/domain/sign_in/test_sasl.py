"""What sign-in by SASL offers."""

import pytest
from support.sasl import INSECURE, SECURE, Make

from andiron.sm.link import Channel


@pytest.mark.parametrize(
    ("options", "channel", "more"),
    [
        ({}, SECURE, ("PLAIN",)),
        ({}, INSECURE, ()),
        ({"plain": False}, SECURE, ()),
        ({"anonymous": True}, SECURE, ("PLAIN", "ANONYMOUS")),
        ({"anonymous": True}, INSECURE, ("ANONYMOUS",)),
    ],
)
def test_what_is_offered_where(make: Make, options, channel: Channel, more: tuple[str, ...]):
    assert make(**options).mechanisms(channel) == (
        "SCRAM-SHA-512",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1",
        *more,
    )
