"""Every source, which one wins, and the sentence for each thing that can be wrong."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from andiron.bosh.config import BoshConfig
from andiron.domain.config import ConflictPolicy, DomainConfig, RoomsConfig, UploadConfig
from andiron.settings import Settings, SettingsError
from andiron.settings.sources import origins
from andiron.settings.words import shown_value
from andiron.sm.config import SmConfig
from andiron.sm.journal.config import JournalConfig
from andiron.version import __version__
from andiron.websocket.config import WebSocketConfig

ACKS = "stream_management_unsolicited_ack_frequency"

DOMAIN = DomainConfig(rooms=RoomsConfig(), upload=UploadConfig(), software_version=__version__)


def test_names_and_defaults_that_stay():
    settings = Settings()
    assert settings.domain == "localhost"
    assert settings.database == "sqlite:///andiron.db"
    assert settings.stream_management_active is True
    assert getattr(settings, ACKS) == 0


def test_defaults_are_those_of_the_packages():
    settings = Settings()
    assert settings.sm_config() == SmConfig()
    assert settings.bosh_config() == BoshConfig()
    assert settings.websocket_config() == WebSocketConfig()
    assert settings.domain_config() == DOMAIN


OTHER = {
    "durability": "disk",
    "durability_file": "elsewhere",
    "admins": ["alice"],
    "search": "groups",
    "archive_default": "never",
    "rooms_create": "anyone",
    "rooms_host": "rooms.example.org",
    **{
        f"contact_{role}": ("mailto:help@example.org",)
        for role in ("abuse", "admin", "feedback", "sales", "security", "status", "support")
    },
    "upload_types": ("image/*",),
    "domain": "example.org",
    "database": "sqlite:///other.db",
    "resource_conflict": "rename",
    "bosh_origins": ("https://www.example.org",),
    "websocket_origins": ("https://www.example.org",),
    "websocket_see_other_uri": "wss://example.org/ws",
    "stream_management_location": "example.org:443",
    "cluster": "unix:/run/andiron/chat.sock",
}


def other_value(name, default):
    if name in OTHER:
        return OTHER[name]
    return not default if isinstance(default, bool) else default * 2 or 1


NOT_OF_A_PACKAGE = {
    "api_token",
    "api_token_file",
    "hook_queue",
    "hook_timeout",
    "log_format",
    "metrics_token",
    "host",
    "port",
    "socket",
    "socket_mode",
    "demo",
    "widget",
    "log_level",
    "trusted_proxies",
    "public_url",
    "allowed_hosts",
    "provision",
    "site_timeout",
    "http_keep_alive",
    "http_max_head",
    "max_depth",
    "max_nodes",
    "websocket_compression",
    "websocket_ping_interval",
    "websocket_ping_timeout",
    "shutdown_timeout",
    "cluster_listen",
}


NOT_OF_A_PACKAGE |= {name for name in Settings.model_fields if name.startswith(("ldap_", "token_"))}


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - NOT_OF_A_PACKAGE))
def test_each_setting_reaches_a_package(name):
    settings = Settings(**{name: other_value(name, Settings.model_fields[name].default)})
    assert (
        settings.sm_config() != SmConfig()
        or settings.websocket_config() != WebSocketConfig()
        or settings.bosh_config() != BoshConfig()
        or settings.domain_config() != DOMAIN
        or settings.journal_config() != JournalConfig()
        or settings.journal_path() != Settings().journal_path()
    )


def test_the_domain_is_prepared():
    assert Settings(domain="Chat.EXAMPLE.org").domain == "chat.example.org"
    assert Settings(resource_conflict="refuse").domain_config().conflict is ConflictPolicy.REFUSE


def test_settings_are_frozen():
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.domain = "example.org"


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("ANDIRON_DOMAIN", "example.org", "example.org"),
        ("andiron_domain", "example.org", "example.org"),
        ("ANDIRON_PORT", "9000", 9000),
        ("ANDIRON_DEMO", "yes", True),
        ("ANDIRON_DEMO", "0", False),
        ("ANDIRON_SESSION_IDLE_PROBE", "0.5", 0.5),
        ("ANDIRON_STREAM_MANAGEMENT_UNSOLICITED_ACK_FREQUENCY", "5", 5),
        ("ANDIRON_TRUSTED_PROXIES", "10.0.0.0/8, unix", ("10.0.0.0/8", "unix")),
        ("ANDIRON_TRUSTED_PROXIES", '["10.0.0.0/8", "unix"]', ("10.0.0.0/8", "unix")),
        ("ANDIRON_TRUSTED_PROXIES", "", ()),
        ("ANDIRON_WEBSOCKET_ORIGINS", "*", ("*",)),
        ("ANDIRON_WEBSOCKET_ORIGINS", "HTTPS://A.example:8443/", ("https://a.example:8443",)),
        ("ANDIRON_WEBSOCKET_SEE_OTHER_URI", "", ""),
    ],
)
def test_the_environment(monkeypatch, variable, text, value):
    monkeypatch.setenv(variable, text)
    assert getattr(Settings(), variable.upper().removeprefix("ANDIRON_").lower()) == value


@pytest.mark.parametrize(
    "toml",
    [
        "stream_management_unsolicited_ack_frequency = 5",
        "stream.management.unsolicitedAckFrequency = 5",
        '"stream.management.unsolicitedAckFrequency" = 5',
        "[stream.management]\nunsolicitedAckFrequency = 5",
        "[stream_management]\nunsolicited_ack_frequency = 5",
        "[stream]\nmanagement.unsolicited_ack_frequency = 5",
        "streamManagementUnsolicitedAckFrequency = 5",
    ],
)
def test_spellings_in_the_file(toml):
    Path("andiron.toml").write_text(toml)
    assert getattr(Settings(), ACKS) == 5


def test_lists_in_the_file():
    Path("andiron.toml").write_text('[websocket]\norigins = ["https://a.example"]')
    assert Settings().websocket_origins == ("https://a.example",)


def test_another_file(monkeypatch):
    Path("andiron.toml").write_text("port = 1")
    Path("other.toml").write_text("port = 2")
    monkeypatch.setenv("ANDIRON_CONFIG", "other.toml")
    assert Settings().port == 2


def test_arguments_come_before_the_environment_before_the_file(monkeypatch):
    Path("andiron.toml").write_text("port = 1\nhost = '::1'\ndomain = 'file.example'")
    monkeypatch.setenv("ANDIRON_PORT", "2")
    monkeypatch.setenv("ANDIRON_HOST", "127.0.0.2")
    settings = Settings(port=3)
    assert (settings.port, settings.host, settings.domain) == (3, "127.0.0.2", "file.example")


def test_a_folder_of_the_file_s_name_is_refused():
    Path("andiron.toml").mkdir()
    with pytest.raises(SettingsError, match=r"andiron\.toml is a folder, not a file: remove it"):
        Settings()


def test_a_link_that_leads_nowhere_is_no_file():
    Path("andiron.toml").symlink_to("nowhere.toml")
    with pytest.raises(SettingsError, match=r"andiron\.toml cannot be read: No such file"):
        Settings()


def test_an_image_s_own_values_come_last(monkeypatch):
    Path("defaults.toml").write_text("port = 1\nhost = '::1'\ndomain = 'image.example'")
    Path("andiron.toml").write_text("port = 2\nhost = '::2'")
    monkeypatch.setenv("ANDIRON_DEFAULTS", "defaults.toml")
    monkeypatch.setenv("ANDIRON_PORT", "3")
    settings = Settings()
    assert (settings.port, settings.host, settings.domain) == (3, "::2", "image.example")
    assert origins(Settings) == {
        "port": "ANDIRON_PORT",
        "host": '"host" in andiron.toml',
        "domain": '"domain" in defaults.toml',
    }


def test_what_is_wrong_in_an_image_s_own_values(monkeypatch):
    Path("defaults.toml").write_text("port = 'x'")
    monkeypatch.setenv("ANDIRON_DEFAULTS", "defaults.toml")
    with pytest.raises(SettingsError, match=r'"port" in defaults\.toml is .x., but must be'):
        Settings()


def test_where_values_come_from(monkeypatch):
    Path("andiron.toml").write_text("port = 1\nstream.management.max = 5")
    monkeypatch.setenv("ANDIRON_PORT", "2")
    assert origins(Settings) == {
        "port": "ANDIRON_PORT",
        "stream_management_max": '"stream.management.max" in andiron.toml',
    }


def test_some_replaced():
    settings = Settings(port=1, host="::1").replaced(port=2)
    assert (settings.port, settings.host) == (2, "::1")
    with pytest.raises(SettingsError, match="domian"):
        settings.replaced(domian="example.org")


WRONG_ARGUMENTS = [
    ({"domian": "x"}, "the keyword argument domian is not a setting: did you mean domain?"),
    (
        {"zzz": 1},
        "the keyword argument zzz is not a setting: remove it"
        " ('andiron config show' lists those there are)",
    ),
    (
        {"stream_management_max": "soon"},
        "the keyword argument stream_management_max is 'soon', but must be a whole number of"
        " seconds, 0 or more (the default is 600)",
    ),
    (
        {"port": 70_000},
        "the keyword argument port is 70000, but must be a whole number from 0 to 65535"
        " (the default is 8000)",
    ),
    (
        {"max_stanza_size": 9_999},
        "the keyword argument max_stanza_size is 9999, but must be a whole number of bytes"
        " from 10000 to 1073741824 (the default is 262144)",
    ),
    (
        {"auth_delay_first": 0},
        "the keyword argument auth_delay_first is 0, but must be a number of seconds above 0"
        " (the default is 0.25)",
    ),
    (
        {"session_idle_probe": float("inf")},
        "the keyword argument session_idle_probe is inf, but must be a number of seconds,"
        " 0 or more (the default is 60)",
    ),
    (
        {"demo": "perhaps"},
        "the keyword argument demo is 'perhaps', but must be true or false (the default is false)",
    ),
    (
        {"log_level": "loud"},
        "the keyword argument log_level is 'loud', but must be one of debug, info, warning, error"
        " (the default is info)",
    ),
    (
        {"domain": 3},
        "the keyword argument domain is 3, but must be text (the default is localhost)",
    ),
    (
        {"trusted_proxies": "10.0.0.1"},
        "the keyword argument trusted_proxies is '10.0.0.1', but must be a list of texts"
        " (the default is 127.0.0.1, ::1)",
    ),
]


@pytest.mark.parametrize(("arguments", "sentence"), WRONG_ARGUMENTS)
def test_sentences_for_arguments(arguments, sentence):
    with pytest.raises(SettingsError) as caught:
        Settings(**arguments)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        *(
            ("domain", value, "a host name such as chat.example.org")
            for value in (
                "",
                "a b",
                "http://a.example",
                "a.example:80",
                "a.example/b",
                "me@a.example",
                ".".join(["\u4e00" * 43] * 2),
            )
        ),
        *(
            ("database", value, "a database URL such as sqlite:///andiron.db")
            for value in (
                "",
                "andiron.db",
                "mysql://a/b",
                "sqlite://host/a.db",
                "sqlite:///a?b=c",
                "postgresql://a",
            )
        ),
        *(
            ("websocket_origins", [value], "origins such as https://www.example.org:8443")
            for value in (
                "a.example",
                "ftp://a.example",
                "https://a.example/b",
                "https://a@b",
                "",
                "https://\u2603.example",
                "https://\xfc@b",
                "https://\xfc:x",
            )
        ),
        *(
            ("trusted_proxies", [value], "addresses or networks such as 10.0.0.1")
            for value in ("proxy", "10.0.0.1/8", "10.0.0", "")
        ),
        *(
            ("socket_mode", value, "permissions in octal such as 660")
            for value in ("", "rw", "66", "999", "1660", "0o660")
        ),
        *(
            ("upload_types", [value], "media types such as application/pdf or image/")
            for value in ("image", "*/*", "image/*; q=1", "text/plain; charset=utf-8", "/", "")
        ),
        *(
            ("contact_abuse", [value], "URIs such as mailto:help@example.org or xmpp:")
            for value in (
                "help@example.org",
                "mailto:",
                "mailto:a b",
                "1:x",
                "",
                "https://\u2603.example",
            )
        ),
        *(
            ("websocket_see_other_uri", value, "a URI such as wss://other.example.org/ws")
            for value in ("other.example.org", "javascript:alert(1)", "wss://\u2603.example")
        ),
    ],
)
def test_values_that_mean_nothing(name, value, wanted):
    with pytest.raises(SettingsError, match=rf"the keyword argument {name} .*must be {wanted}"):
        Settings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("domain", "M\xfcnchen.example.", "m\xfcnchen.example"),
        ("domain", "xn--mnchen-3ya.example", "m\xfcnchen.example"),
        ("rooms_host", "r\xe4ume.example", "r\xe4ume.example"),
        ("rooms_host", "xn--rume-loa.example.", "r\xe4ume.example"),
        ("websocket_origins", "https://M\xfcnchen.example", "https://xn--mnchen-3ya.example"),
        ("bosh_origins", "https://\u65e5\u672c.example:8443", "https://xn--wgv71a.example:8443"),
        ("bosh_origins", "https://stra\xdfe.example", "https://xn--strae-oqa.example"),
        ("bosh_origins", "https://my_site.example", "https://my_site.example"),
        (
            "public_url",
            "https://m\xfcnchen.example:80/a\xe4",
            "https://xn--mnchen-3ya.example:80/a%C3%A4",
        ),
        ("public_url", "https://example.org/\xe4%20", "https://example.org/%C3%A4%20"),
        (
            "websocket_see_other_uri",
            "wss://m\xfcnchen.example/ws",
            "wss://xn--mnchen-3ya.example/ws",
        ),
        ("contact_abuse", "mailto:h\xfclfe@example.org", "mailto:h%C3%BClfe@example.org"),
        ("contact_abuse", "xmpp:a@m\xfcnchen.example", "xmpp:a@m%C3%BCnchen.example"),
        ("contact_abuse", "https://m\xfcnchen.example", "https://xn--mnchen-3ya.example"),
    ],
)
def test_names_in_any_script(name, value, kept):
    listed = name.endswith("origins") or name.startswith("contact")
    settings = Settings(**{name: [value] if listed else value})
    assert getattr(settings, name) == ((kept,) if listed else kept)


def test_media_types_are_in_lower_case():
    settings = Settings(upload_types=["Image/*", "application/PDF"])
    assert settings.upload_config().types == ("image/*", "application/pdf")


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        (
            "ANDIRON_STREAM_MANAGMENT_MAX",
            "3",
            "ANDIRON_STREAM_MANAGMENT_MAX is not a setting:"
            " did you mean ANDIRON_STREAM_MANAGEMENT_MAX?",
        ),
        (
            "ANDIRON_PORT",
            "http",
            "ANDIRON_PORT is 'http', but must be a whole number from 0 to 65535"
            " (the default is 8000)",
        ),
        (
            "ANDIRON_TRUSTED_PROXIES",
            "10.0.0.1, proxy",
            "ANDIRON_TRUSTED_PROXIES is 'proxy', but must be addresses or networks such as"
            " 10.0.0.1 or 10.0.0.0/8 (or unix, for a socket file) (the default is 127.0.0.1, ::1)",
        ),
        (
            "ANDIRON_TRUSTED_PROXIES",
            "[10.0.0.1]",
            "ANDIRON_TRUSTED_PROXIES is not a JSON array: give its values with commas between",
        ),
        *(
            (
                variable,
                text,
                f"{variable} was set by Kubernetes for a Service called andiron:"
                " give the pod enableServiceLinks: false, or the Service another name",
            )
            for variable, text in (
                ("ANDIRON_PORT", "tcp://10.3.2.1:80"),
                ("ANDIRON_SERVICE_HOST", "10.3.2.1"),
                ("ANDIRON_SERVICE_PORT_HTTP", "80"),
                ("ANDIRON_PORT_80_TCP_ADDR", "10.3.2.1"),
            )
        ),
        (
            "ANDIRON_CONFIG",
            "none.toml",
            "ANDIRON_CONFIG names none.toml, which is not a file that can be read:"
            " correct the path or remove the variable",
        ),
        (
            "ANDIRON_DEFAULTS",
            "none.toml",
            "ANDIRON_DEFAULTS names none.toml, which is not a file that can be read:"
            " correct the path or remove the variable",
        ),
    ],
)
def test_sentences_for_the_environment(monkeypatch, variable, text, sentence):
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError) as caught:
        Settings()
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        (
            "stream.managment.active = true",
            '"stream.managment.active" in andiron.toml is not a setting:'
            ' did you mean "stream_management_active"?',
        ),
        (
            "[websocket]\norigin = []",
            '"websocket.origin" in andiron.toml is not a setting:'
            ' did you mean "websocket_origins"?',
        ),
        (
            "stream.management.max = 'x'",
            "\"stream.management.max\" in andiron.toml is 'x', but must be a whole number of"
            " seconds, 0 or more (the default is 600)",
        ),
        (
            "stream_management_max = 1\nstream.management.max = 2",
            '"stream_management_max" in andiron.toml and "stream.management.max" in andiron.toml'
            " are the same: keep one",
        ),
        (
            "config = 'x'",
            '"config" in andiron.toml is not a setting: remove it'
            " ('andiron config show' lists those there are)",
        ),
    ],
)
def test_sentences_for_the_file(toml, sentence):
    Path("andiron.toml").write_text(toml)
    with pytest.raises(SettingsError) as caught:
        Settings()
    assert str(caught.value) == sentence


@pytest.mark.parametrize("content", [b"domain = '\xff'", b"port = 1\nport = 2", b"port"])
def test_a_file_that_is_not_toml(content):
    Path("andiron.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"andiron\.toml is not valid TOML"):
        Settings()


def test_text_without_quotes_in_the_file():
    Path("andiron.toml").write_text("port = 1\ndomain = example.org\n")
    with pytest.raises(SettingsError, match=r"at line 2, .*text stands between quotes there: dom"):
        Settings()


@pytest.mark.parametrize(
    "name", ["log_level", "archive_default", "rooms_create", "resource_conflict"]
)
def test_one_of_several_words_in_any_case(monkeypatch, name):
    default = Settings.model_fields[name].default
    monkeypatch.setenv(f"ANDIRON_{name.upper()}", default.upper())
    assert getattr(Settings(), name) == default


def test_two_spellings_of_one_variable(monkeypatch):
    monkeypatch.setenv("ANDIRON_PORT", "1")
    monkeypatch.setenv("andiron_port", "2")
    with pytest.raises(SettingsError, match="are the same: keep one"):
        Settings()


def test_a_database_url_is_never_shown():
    settings = Settings()
    assert "andiron.db" not in repr(settings)
    for password in ("secret", "se:cr/et", ":", "//s@c"):
        settings = Settings.model_construct(database=f"postgresql://me:{password}@db/andiron")
        assert shown_value(settings, "database") == "postgresql://me:***@db/andiron"
    with pytest.raises(SettingsError, match="mysql:// is not supported") as caught:
        Settings(database="mysql://me:secret@db/andiron")
    assert "secret" not in str(caught.value)


def test_nothing_of_the_secret_for_tokens_is_shown():
    settings = Settings(token_secret="s3cret://" * 8)
    assert shown_value(settings, "token_secret") == "***"
    assert shown_value(Settings(), "token_secret") == "empty"
    assert "s3cret" not in repr(settings)


def test_an_algorithm_that_there_is_not_is_refused():
    for name in ("none", "hs256", "RS265"):
        with pytest.raises(SettingsError, match="must be algorithms of HS256, "):
            Settings(token_algorithms=(name,))


def test_what_is_wrong_with_a_database_url_is_named(monkeypatch):
    monkeypatch.setenv("ANDIRON_DATABASE", "postgres://me:secret@db/andiron")
    with pytest.raises(
        SettingsError,
        match=r"ANDIRON_DATABASE must be .*: postgres:// is unknown; write postgresql:// \(the",
    ) as caught:
        Settings()
    assert "secret" not in str(caught.value)


def test_admins_are_accounts_of_the_domain():
    settings = Settings(domain="example.org", admins=["Alice", "bob@EXAMPLE.org"])
    assert settings.admins == ("alice@example.org", "bob@example.org")
    assert Settings().replaced(admins=settings.replaced().admins[:0]).admins == ()
    for wrong in ("bob@elsewhere.org", "a b", "@example.org", ""):
        with pytest.raises(SettingsError, match="names or addresses of accounts"):
            Settings(domain="example.org", admins=[wrong])
