"""Every error condition Andiron sends, and the exceptions that carry them.

Code raises; the edge that owns the wire serialises with :meth:`to_xml`. The
conditions are closed enumerations, so a misspelt one cannot reach a client.
"""

from enum import StrEnum
from typing import Final

from andiron.xmpp import namespaces as ns
from andiron.xmpp.escape import escape


class StreamCondition(StrEnum):
    """Stream error conditions, RFC 6120 section 4.9.3."""

    BAD_FORMAT = "bad-format"
    BAD_NAMESPACE_PREFIX = "bad-namespace-prefix"
    CONFLICT = "conflict"
    CONNECTION_TIMEOUT = "connection-timeout"
    HOST_GONE = "host-gone"
    HOST_UNKNOWN = "host-unknown"
    IMPROPER_ADDRESSING = "improper-addressing"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    INVALID_FROM = "invalid-from"
    INVALID_NAMESPACE = "invalid-namespace"
    INVALID_XML = "invalid-xml"
    NOT_AUTHORIZED = "not-authorized"
    NOT_WELL_FORMED = "not-well-formed"
    POLICY_VIOLATION = "policy-violation"
    REMOTE_CONNECTION_FAILED = "remote-connection-failed"
    RESET = "reset"
    RESOURCE_CONSTRAINT = "resource-constraint"
    RESTRICTED_XML = "restricted-xml"
    SEE_OTHER_HOST = "see-other-host"
    SYSTEM_SHUTDOWN = "system-shutdown"
    UNDEFINED_CONDITION = "undefined-condition"
    UNSUPPORTED_ENCODING = "unsupported-encoding"
    UNSUPPORTED_FEATURE = "unsupported-feature"
    UNSUPPORTED_STANZA_TYPE = "unsupported-stanza-type"
    UNSUPPORTED_VERSION = "unsupported-version"


class StanzaCondition(StrEnum):
    """Stanza error conditions, RFC 6120 section 8.3.3."""

    BAD_REQUEST = "bad-request"
    CONFLICT = "conflict"
    FEATURE_NOT_IMPLEMENTED = "feature-not-implemented"
    FORBIDDEN = "forbidden"
    GONE = "gone"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    ITEM_NOT_FOUND = "item-not-found"
    JID_MALFORMED = "jid-malformed"
    NOT_ACCEPTABLE = "not-acceptable"
    NOT_ALLOWED = "not-allowed"
    NOT_AUTHORIZED = "not-authorized"
    POLICY_VIOLATION = "policy-violation"
    RECIPIENT_UNAVAILABLE = "recipient-unavailable"
    REDIRECT = "redirect"
    REGISTRATION_REQUIRED = "registration-required"
    REMOTE_SERVER_NOT_FOUND = "remote-server-not-found"
    REMOTE_SERVER_TIMEOUT = "remote-server-timeout"
    RESOURCE_CONSTRAINT = "resource-constraint"
    SERVICE_UNAVAILABLE = "service-unavailable"
    SUBSCRIPTION_REQUIRED = "subscription-required"
    UNDEFINED_CONDITION = "undefined-condition"
    UNEXPECTED_REQUEST = "unexpected-request"


class SaslCondition(StrEnum):
    """SASL failure conditions, RFC 6120 section 6.5."""

    ABORTED = "aborted"
    ACCOUNT_DISABLED = "account-disabled"
    CREDENTIALS_EXPIRED = "credentials-expired"
    ENCRYPTION_REQUIRED = "encryption-required"
    INCORRECT_ENCODING = "incorrect-encoding"
    INVALID_AUTHZID = "invalid-authzid"
    INVALID_MECHANISM = "invalid-mechanism"
    MALFORMED_REQUEST = "malformed-request"
    MECHANISM_TOO_WEAK = "mechanism-too-weak"
    NOT_AUTHORIZED = "not-authorized"
    TEMPORARY_AUTH_FAILURE = "temporary-auth-failure"


class BoshCondition(StrEnum):
    """Terminal binding conditions, XEP-0124 section 17.2."""

    BAD_REQUEST = "bad-request"
    HOST_GONE = "host-gone"
    HOST_UNKNOWN = "host-unknown"
    IMPROPER_ADDRESSING = "improper-addressing"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    ITEM_NOT_FOUND = "item-not-found"
    OTHER_REQUEST = "other-request"
    POLICY_VIOLATION = "policy-violation"
    REMOTE_CONNECTION_FAILED = "remote-connection-failed"
    REMOTE_STREAM_ERROR = "remote-stream-error"
    SEE_OTHER_URI = "see-other-uri"
    SYSTEM_SHUTDOWN = "system-shutdown"
    UNDEFINED_CONDITION = "undefined-condition"


_CANCEL, _AUTH, _MODIFY, _WAIT = "cancel", "auth", "modify", "wait"

ERROR_TYPES: Final[dict[StanzaCondition, str]] = {
    StanzaCondition.BAD_REQUEST: _MODIFY,
    StanzaCondition.CONFLICT: _CANCEL,
    StanzaCondition.FEATURE_NOT_IMPLEMENTED: _CANCEL,
    StanzaCondition.FORBIDDEN: _AUTH,
    StanzaCondition.GONE: _CANCEL,
    StanzaCondition.INTERNAL_SERVER_ERROR: _CANCEL,
    StanzaCondition.ITEM_NOT_FOUND: _CANCEL,
    StanzaCondition.JID_MALFORMED: _MODIFY,
    StanzaCondition.NOT_ACCEPTABLE: _MODIFY,
    StanzaCondition.NOT_ALLOWED: _CANCEL,
    StanzaCondition.NOT_AUTHORIZED: _AUTH,
    StanzaCondition.POLICY_VIOLATION: _MODIFY,
    StanzaCondition.RECIPIENT_UNAVAILABLE: _WAIT,
    StanzaCondition.REDIRECT: _MODIFY,
    StanzaCondition.REGISTRATION_REQUIRED: _AUTH,
    StanzaCondition.REMOTE_SERVER_NOT_FOUND: _CANCEL,
    StanzaCondition.REMOTE_SERVER_TIMEOUT: _WAIT,
    StanzaCondition.RESOURCE_CONSTRAINT: _WAIT,
    StanzaCondition.SERVICE_UNAVAILABLE: _CANCEL,
    StanzaCondition.SUBSCRIPTION_REQUIRED: _AUTH,
    StanzaCondition.UNDEFINED_CONDITION: _CANCEL,
    StanzaCondition.UNEXPECTED_REQUEST: _WAIT,
}
"""The error type RFC 6120 section 8.3.3 recommends for each stanza condition."""


_SENTENCE: Final = 255
"""Characters of a sentence; what it quotes of a client's may be much longer."""


class XmppError(Exception):
    """An error that knows its wire form."""

    def __init__(self, condition: str, text: str = "", extra: str = "") -> None:
        """Take the defined condition, a sentence for people, and an application condition.

        A sentence is cut at 255 characters: it goes to the log as well, there on one line
        whoever writes the log.
        """
        if len(text) > _SENTENCE:
            text = text[: _SENTENCE - 1] + "…"
        shown = text if text.isprintable() else repr(text)[1:-1]
        super().__init__(f"{condition}: {shown}" if text else condition)
        self.condition = condition
        self.text = text
        self.extra = extra


class StreamError(XmppError):
    """An error that ends the stream, RFC 6120 section 4.9."""

    def __init__(self, condition: StreamCondition, text: str = "", extra: str = "") -> None:
        super().__init__(condition, text, extra)

    def to_xml(self) -> str:
        """Return ``<stream:error/>`` with its prefix declared, as RFC 7395 section 3.6 asks."""
        return (
            f"<stream:error xmlns:stream='{ns.STREAMS}'>"
            f"<{self.condition} xmlns='{ns.STREAM_ERRORS}'/>"
            f"{_text(ns.STREAM_ERRORS, self.text)}{self.extra}</stream:error>"
        )


class StanzaError(XmppError):
    """An error that answers one stanza, RFC 6120 section 8.3."""

    def __init__(
        self,
        condition: StanzaCondition,
        text: str = "",
        *,
        type: str = "",  # noqa: A002  (the attribute's name)
        extra: str = "",
    ) -> None:
        """Take the condition and, where it is not the recommended one, the error type."""
        super().__init__(condition, text, extra)
        self.type = type or ERROR_TYPES[condition]
        self.by = ""
        """Who says so (section 8.3.2), where that is not who was asked; whoever knows sets it."""
        self.beside = ""
        """The request's own element with what there is to say in it (section 8.3.1), as XML."""

    def to_xml(self) -> str:
        """Return the ``<error/>`` child of an error stanza."""
        by = f" by='{escape(self.by)}'" if self.by else ""
        return (
            f"<error{by} type='{self.type}'><{self.condition} xmlns='{ns.STANZA_ERRORS}'/>"
            f"{_text(ns.STANZA_ERRORS, self.text)}{self.extra}</error>"
        )


class SaslError(XmppError):
    """A failed authentication, RFC 6120 section 6.4.5."""

    def __init__(self, condition: SaslCondition, text: str = "") -> None:
        super().__init__(condition, text)

    def to_xml(self) -> str:
        """Return the SASL ``<failure/>`` element."""
        return (
            f"<failure xmlns='{ns.SASL}'><{self.condition}/>{_text(ns.SASL, self.text)}</failure>"
        )


class SmError(XmppError):
    """A refused ``<enable/>`` or ``<resume/>``, XEP-0198 section 6."""

    def __init__(
        self, condition: StanzaCondition, text: str = "", *, handled: int | None = None
    ) -> None:
        """Take the stanza condition and, for an expired session, its last ``h``."""
        super().__init__(condition, text)
        self.handled = handled

    def to_xml(self, namespace: str = ns.SM_3) -> str:
        """Return ``<failed/>`` in the version of the protocol that the client used."""
        h = "" if self.handled is None else f" h='{self.handled}'"
        return (
            f"<failed xmlns='{namespace}'{h}><{self.condition} xmlns='{ns.STANZA_ERRORS}'/>"
            f"{_text(ns.STANZA_ERRORS, self.text)}</failed>"
        )


class BoshError(XmppError):
    """An error that ends a BOSH session; ``bosh/body.py`` knows the ``<body/>`` it goes in."""

    def __init__(self, condition: BoshCondition, text: str = "") -> None:
        super().__init__(condition, text)


def _text(namespace: str, text: str) -> str:
    if not text:
        return ""
    return f"<text xmlns='{namespace}' xml:lang='en'>{escape(text)}</text>"
