"""The settings that take effect while an application runs."""

import logging
from collections.abc import Iterable
from typing import Final

from andiron.settings.settings import Settings
from andiron.settings.words import shown_value

__all__ = ["LIVE", "OF_THE_LOG", "changes", "tell_changed"]

audit = logging.getLogger("andiron.audit")

LIVE: Final = frozenset(
    {
        "admins",
        "allowed_hosts",
        "log_format",
        "log_level",
        "session_idle_probe",
        "session_idle_timeout",
        "stream_management_active",
        "stream_management_location",
        "stream_management_max",
        "stream_management_queue_bytes",
        "stream_management_queue_stanzas",
        "stream_management_remember_expired",
        "stream_management_request_every",
        "stream_management_request_quiet",
        "stream_management_request_timeout",
        "stream_management_unsolicited_ack_frequency",
    }
)
"""Those of sessions hold for sessions that begin from then on. All others need a restart."""

OF_THE_LOG: Final = frozenset({"log_format", "log_level"})
"""Those that whoever writes the log must heed: under another server nobody does."""


def changes(former: Settings, new: Settings) -> tuple[list[str], list[str]]:
    """Return which settings differ: those that can take effect at once, and the others."""
    differ = [name for name in Settings.model_fields if getattr(former, name) != getattr(new, name)]
    return [name for name in differ if name in LIVE], [name for name in differ if name not in LIVE]


def tell_changed(former: Settings, new: Settings, names: Iterable[str]) -> None:
    """Leave a line in the log for each of these settings, which has taken effect."""
    for name in names:
        audit.info(
            "The setting %s is %s now, and was %s",
            name,
            shown_value(new, name),
            shown_value(former, name),
        )
