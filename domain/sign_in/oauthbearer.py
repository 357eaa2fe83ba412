"""What is said in SASL OAUTHBEARER (RFC 7628): a bearer token (RFC 6750), and why it is refused.

Pure: text in, text out; who the token names is found out elsewhere.
"""

import re
from typing import Final

from andiron.domain.sign_in.scram import saslname
from andiron.domain.sign_in.steps import malformed

__all__ = ["INVALID", "MECHANISM", "read_message"]

MECHANISM: Final = "OAUTHBEARER"
INVALID: Final = '{"status":"invalid_token"}'
"""The challenge that says so (section 3.2.2); the client answers it with a single 0x01."""

_MESSAGE: Final = re.compile(
    r"(?P<binding>[ny]|p=[A-Za-z0-9.\-]+),(?:a=(?P<authzid>[^,\x00\x01]+))?,\x01"
    r"(?P<pairs>(?:[A-Za-z]+=[\t\r\n -~]*\x01)*)\x01"
)
"""The GS2 header of RFC 5801 section 4, and the pairs of section 3.1."""
_CREDENTIALS: Final = re.compile(r"bearer +(?P<token>[A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)
"""RFC 6750 section 2.1; the name of a scheme is written in any case."""


def read_message(message: str) -> tuple[str, str]:
    """Return the authorization identity, if any, and the token of a client's first message.

    The token is empty where the client has none, to be told so. ``host`` and
    ``port`` (section 3.1) and other pairs are not looked at. Raises :class:`SaslError`.
    """
    match = _MESSAGE.fullmatch(message)
    if match is None:
        raise malformed("not an OAUTHBEARER message")
    if match["binding"].startswith("p"):
        raise malformed("channel binding is not offered here")
    pairs = [pair.partition("=")[::2] for pair in match["pairs"].split("\x01")[:-1]]
    given = [value for key, value in pairs if key == "auth"]
    if len(given) != 1:
        raise malformed("one auth= is needed")
    credentials = _CREDENTIALS.fullmatch(given[0])
    if credentials is None and given[0]:
        raise malformed("auth= must be a bearer token")
    return saslname(match["authzid"] or ""), credentials["token"] if credentials else ""
