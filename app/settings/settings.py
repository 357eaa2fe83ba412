"""Settings: keyword arguments, then ``ANDIRON_…``, then files, then the defaults.

A setting that nobody knows, or with a value that cannot be used, stops the
start with one sentence (:class:`SettingsError`).
"""

from typing import Any, Final, Self

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from andiron.bosh.config import BoshConfig
from andiron.domain.config import (
    ArchiveConfig,
    ConflictPolicy,
    ContactAddresses,
    DomainConfig,
    PubSubConfig,
    RegistrationConfig,
    RoomCreators,
    RoomsConfig,
    RosterConfig,
    SearchScope,
    ThrottleConfig,
    UploadConfig,
)
from andiron.domain.database.urls import beside
from andiron.inprocess.config import InprocessConfig
from andiron.settings.groups.people import People
from andiron.settings.groups.places import Places
from andiron.settings.groups.serving import Serving
from andiron.settings.groups.sessions import Sessions
from andiron.settings.groups.sign_in import SignIn
from andiron.settings.groups.site import Site
from andiron.settings.groups.transports import Transports
from andiron.settings.sources import SOURCES, SettingsError, Source, unknown
from andiron.settings.types import read_listening
from andiron.settings.words import default_text, expected
from andiron.sm.config import SmConfig
from andiron.sm.journal.config import Durability, JournalConfig
from andiron.version import __version__
from andiron.websocket.config import WebSocketConfig

_LEAVE: Final = 5.0
"""Seconds that a server may need to end once its connections have."""


class Settings(Transports, Sessions, Places, People, Site, SignIn, Serving):
    """All that can be set; frozen. Raises :class:`SettingsError` when made of something unusable.

    Each setting is a keyword argument here, a variable ``ANDIRON_`` and its
    name in capitals, and a key in ``andiron.toml``, where parts of a name may
    also be tables (``[websocket] origins = […]``).
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __init__(self, **overrides: Any) -> None:
        try:
            super().__init__(**overrides)
        except ValidationError as error:
            sources = tuple(source(type(self)) for source in SOURCES)
            raise _settings_error(type(self), error.errors()[0], overrides, sources) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read keyword arguments, the environment and the files, the first that speaks wins."""
        return init_settings, *(source(settings_cls) for source in SOURCES)

    def replaced(self, **overrides: Any) -> Self:
        """Return these settings with some of them changed, checked like any others."""
        return type(self)(**(self.model_dump() | overrides)) if overrides else self

    def domain_config(self) -> DomainConfig:
        """Return what the embedded domain is told."""
        return DomainConfig(
            domain=self.domain,
            database=self.database,
            claim_patience=self.shutdown_timeout + _LEAVE,
            claim_fellows=bool(self.cluster),
            plain=self.auth_plain,
            anonymous=self.auth_anonymous,
            sasl_attempts=self.auth_attempts,
            sasl_remembered=self.auth_remembered,
            sasl_queue=self.auth_queue,
            scram_iterations=self.auth_iterations,
            permission_lifetime=self.contact_cache,
            admins=frozenset(self.admins),
            search=SearchScope(self.search),
            max_found=self.search_results,
            registration=RegistrationConfig(
                enabled=self.registration,
                per_address=self.registration_per_address,
                total=self.registration_limit,
                changes=self.registration_changes,
            ),
            throttle=ThrottleConfig(
                first=self.auth_delay_first,
                account_cap=self.auth_delay_account,
                address_cap=self.auth_delay_address,
                half_life=self.auth_delay_half_life,
                capacity=self.auth_delay_capacity,
                waiting=self.auth_waiting,
                at_once=self.auth_at_once,
            ),
            conflict=ConflictPolicy(self.resource_conflict),
            max_resources=self.max_resources,
            max_offline=self.offline_limit,
            max_offline_bytes=self.offline_bytes,
            max_held=self.offline_held,
            max_directed=self.max_directed,
            max_presence=self.max_presence,
            max_blocked=self.blocked_limit,
            max_private=self.private_limit,
            max_private_size=self.private_size,
            max_vcard=self.vcard_size,
            pubsub=PubSubConfig(
                max_nodes=self.pep_nodes,
                max_items=self.pep_items,
                max_item_size=self.pep_item_size,
                quota=self.pep_quota,
                max_entities=self.pep_subscribers,
            ),
            roster=RosterConfig(
                max_contacts=self.roster_contacts,
                max_size=self.roster_size,
                max_groups=self.roster_groups,
                max_name=self.roster_name,
                max_requests=self.roster_requests,
                max_request=self.roster_request,
            ),
            archive=self.archive_config() if self.archive else None,
            rooms=self.rooms_config() if self.rooms else None,
            upload=self.upload_config() if self.upload else None,
            contact_addresses=ContactAddresses(
                abuse=self.contact_abuse,
                admin=self.contact_admin,
                feedback=self.contact_feedback,
                sales=self.contact_sales,
                security=self.contact_security,
                status=self.contact_status,
                support=self.contact_support,
            ),
            software_version=__version__ if self.announce_version else "",
        )

    def archive_config(self) -> ArchiveConfig:
        """Return what the archives of the embedded domain are told."""
        return ArchiveConfig(
            default=self.archive_default,
            days=self.archive_days,
            max_bytes=self.archive_max_bytes,
            page=self.archive_page,
            max_preferences=self.archive_preferences,
            backlog=self.archive_backlog,
        )

    def rooms_config(self) -> RoomsConfig:
        """Return what the rooms of the embedded domain are told."""
        return RoomsConfig(
            host=self.rooms_host,
            create=RoomCreators(self.rooms_create),
            max_rooms=self.rooms_max,
            max_rooms_per_account=self.rooms_max_per_account,
            max_rooms_per_session=self.rooms_max_per_session,
            max_occupants=self.rooms_max_occupants,
            max_affiliations=self.rooms_max_affiliations,
            max_nick=self.rooms_max_nick,
            max_message=self.rooms_max_message,
            max_subject=self.rooms_max_subject,
            max_presence=self.rooms_max_presence,
            max_vcard=self.rooms_max_vcard,
            history=self.rooms_history,
            history_max=self.rooms_history_max,
            history_characters=self.rooms_history_size,
            lock_timeout=self.rooms_lock_timeout,
        )

    def upload_config(self) -> UploadConfig:
        """Return what the uploads of the embedded domain are told."""
        return UploadConfig(
            directory=self.upload_dir,
            public_url=self.public_url,
            max_size=self.upload_max_size,
            quota=self.upload_quota,
            expiry=self.upload_expiry,
            types=self.upload_types,
            max_slots=self.upload_slots,
            max_concurrent=self.upload_concurrent,
            timeout=self.upload_timeout,
        )

    def journal_path(self) -> str:
        """Return where sessions are written down; empty where they are not to be.

        Raises :class:`DatabaseError` for a database's URL that cannot be used.
        """
        return "" if self.durability == "memory" else self.journal_place()

    def journal_place(self) -> str:
        """Return where sessions would be written down if they were; raises as the above."""
        return self.durability_file or beside(self.database, "-sessions")

    @property
    def by_redis(self) -> bool:
        """Whether processes of one chat meet by a Redis."""
        return "://" in self.cluster

    def cluster_address(self) -> tuple[str, int]:
        """Return the host and the port where a home listens; what is empty or 0 is any."""
        return read_listening(self.cluster_listen) if self.cluster_listen else ("", 0)

    def journal_config(self) -> JournalConfig:
        """Return what the journal is told, where there is one."""
        to_disk = self.durability == "disk"
        return JournalConfig(
            durability=Durability.DISK if to_disk else Durability.PROCESS,
            maximum=self.durability_max_size,
        )

    def sm_config(self) -> SmConfig:
        """Return what the session manager is told."""
        return SmConfig(
            active=self.stream_management_active,
            unsolicited_ack_frequency=self.stream_management_unsolicited_ack_frequency,
            max=self.stream_management_max,
            location=self.stream_management_location,
            request_every=self.stream_management_request_every,
            request_quiet=self.stream_management_request_quiet,
            request_timeout=self.stream_management_request_timeout,
            queue_stanzas=self.stream_management_queue_stanzas,
            queue_bytes=self.stream_management_queue_bytes,
            remember_expired=self.stream_management_remember_expired,
            negotiation_timeout=self.session_negotiation_timeout,
            idle_probe=self.session_idle_probe,
            idle_timeout=self.session_idle_timeout,
            pending=self.session_pending,
            account_bytes=self.account_memory,
            backlog=self.account_backlog,
            rate=self.account_rate,
            burst=self.account_burst,
            patience=self.account_patience,
            stanza_bytes=self.max_stanza_size,
            negotiation_bytes=self.max_negotiation_size,
            turn=self.account_turn,
            share=self.account_share,
        )

    def websocket_config(self) -> WebSocketConfig:
        """Return what the WebSocket endpoint is told."""
        return WebSocketConfig(
            origins=self.websocket_origins,
            max_stanza_size=self.max_stanza_size,
            max_negotiation_size=self.max_negotiation_size,
            max_negotiating=self.max_negotiating,
            max_negotiating_per_address=self.max_negotiating_per_address,
            buffer_bytes=self.websocket_buffer_bytes,
            close_timeout=self.websocket_close_timeout,
            see_other_uri=self.websocket_see_other_uri,
        )

    def inprocess_config(self) -> InprocessConfig:
        """Return what bounds clients in the process: as much as those outside."""
        return InprocessConfig(
            max_stanza_size=self.max_stanza_size,
            max_negotiation_size=self.max_negotiation_size,
            buffer_bytes=self.websocket_buffer_bytes,
            unsent_bytes=self.account_burst,
            close_timeout=self.websocket_close_timeout,
        )

    def bosh_config(self) -> BoshConfig:
        """Return what the BOSH endpoint is told."""
        return BoshConfig(
            origins=self.bosh_origins,
            wait=self.bosh_wait,
            hold=self.bosh_hold,
            inactivity=self.bosh_inactivity,
            polling=self.bosh_polling,
            maxpause=self.bosh_maxpause,
            max_body_size=self.bosh_max_body_size,
            max_negotiation_size=self.max_negotiation_size,
            max_stanzas=self.bosh_max_stanzas,
            buffer_bytes=self.bosh_buffer_bytes,
            request_timeout=self.session_negotiation_timeout,
            compress_from=self.bosh_compress_from,
            script_syntax=self.bosh_script_syntax,
        )


def _settings_error(
    settings_cls: type[Settings],
    problem: ErrorDetails,
    overrides: dict[str, Any],
    sources: tuple[Source, ...],
) -> SettingsError:
    """Say what pydantic found in the words of whoever wrote the setting."""
    name = str(problem["loc"][0])
    if name not in settings_cls.model_fields:
        return unknown(f"the keyword argument {name}", name, settings_cls)
    spelled = f"the keyword argument {name}"
    if name not in overrides:
        spelled = next(source.spelled[name] for source in sources if name in source.spelled)
    field = settings_cls.model_fields[name]
    given = "" if not field.repr else f" is {problem['input']!r:.60}, but"
    wanted = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else expected(field)
    return SettingsError(
        f"{spelled}{given} must be {wanted} (the default is {default_text(field)})"
    )
