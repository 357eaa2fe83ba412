"""The errors of XEP-0060 that have a condition of their own beside the stanza's."""

from andiron.xmpp import namespaces as ns
from andiron.xmpp.errors import StanzaCondition, StanzaError

__all__ = [
    "bad_request",
    "hidden",
    "not_acceptable",
    "precondition_not_met",
    "pubsub_error",
    "unsupported",
]


def pubsub_error(
    condition: StanzaCondition, detail: str, text: str = "", attributes: str = ""
) -> StanzaError:
    """Return an error with the condition ``detail`` of XEP-0060 (section 15.3)."""
    return StanzaError(condition, text, extra=f"<{detail} xmlns='{ns.PUBSUB_ERRORS}'{attributes}/>")


def hidden() -> StanzaError:
    """Return the answer for what is not there, and for what the asker may not see.

    They are one, or who asks for the usual nodes would learn which accounts exist.
    """
    return StanzaError(StanzaCondition.ITEM_NOT_FOUND)


def bad_request(detail: str) -> StanzaError:
    """Return the error for a request that lacks something."""
    return pubsub_error(StanzaCondition.BAD_REQUEST, detail)


def not_acceptable(text: str) -> StanzaError:
    """Return the error for a value that this service does not offer."""
    return StanzaError(StanzaCondition.NOT_ACCEPTABLE, text)


def unsupported(feature: str) -> StanzaError:
    """Return the error for a feature that is not offered."""
    return pubsub_error(
        StanzaCondition.FEATURE_NOT_IMPLEMENTED, "unsupported", attributes=f" feature='{feature}'"
    )


def precondition_not_met(text: str) -> StanzaError:
    """Return the error for publish-options that the node does not have (section 7.1.5)."""
    return pubsub_error(StanzaCondition.CONFLICT, "precondition-not-met", text)
