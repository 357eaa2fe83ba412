"""Settings that can be changed while the application runs are, by the API."""

import logging

import pytest

from andiron.api import InvalidError, NotFoundError
from andiron.settings.live import LIVE, OF_THE_LOG


async def test_they_are_told_with_what_openfire_calls_them(chat):
    found = await chat.api.settings()
    assert {each.name for each in found} == LIVE - OF_THE_LOG
    assert [each.openfire for each in found[:3]] == [
        "stream.management.active",
        "stream.management.unsolicitedAckFrequency",
        "",
    ]
    frequency = found[1]
    assert (frequency.value, frequency.default) == (0, 0)
    assert frequency.expected == "a whole number, 0 or more"
    assert frequency.meaning.startswith("Send `<a/>` unasked")


async def test_one_is_changed_and_holds_for_new_sessions(chat, caplog):
    caplog.set_level(logging.INFO, "andiron.audit")
    name = "stream_management_unsolicited_ack_frequency"
    changed = await chat.api.change_setting(name, 1)
    assert (changed.name, changed.value) == (name, 1)
    alice = await chat.client_of("alice")
    await alice.write("<enable xmlns='urn:xmpp:sm:3'/>")
    await alice.ask("<ping xmlns='urn:xmpp:ping'/>")
    await alice.next(lambda one: one.name == "a")
    assert caplog.messages == [f"The setting {name} is 1 now, and was 0"]
    assert (await chat.api.change_setting("admins", ["alice"])).value == ("alice@example.org",)


async def test_whoever_writes_the_log_hears_of_a_change(chat):
    heard = []
    chat.on_applied = lambda settings: heard.append(settings.log_level)
    assert {each.name for each in await chat.api.settings()} == LIVE
    await chat.api.change_setting("log_level", "error")
    assert heard == ["error"]


@pytest.mark.parametrize(
    ("name", "value", "error", "sentence"),
    [
        ("stream_management_max", -1, InvalidError, "is -1, but must be a whole number of sec"),
        ("stream_management_max", True, InvalidError, "must be a whole number of seconds"),
        ("session_idle_timeout", True, InvalidError, "must be a number of seconds"),
        ("stream_management_max", "many", InvalidError, "must be a whole number"),
        ("admins", ["a b"], InvalidError, "names or addresses"),
        ("admins", "x" * 20_000, InvalidError, "10000 are the most"),
        ("admins", ["x" * 99] * 200, InvalidError, "10000 characters at most"),
        ("stream_management_max", 2**53, InvalidError, "below 2"),
        ("stream_management_max", 10**310, InvalidError, "below 2"),
        ("stream_management_queue_bytes", 10**60, InvalidError, "below 2"),
        ("session_idle_probe", 1e308, InvalidError, "below 2"),
        ("session_idle_timeout", 1e308, InvalidError, "below 2"),
        ("stream_management_location", "a\x00b", InvalidError, r"U\+0000"),
        ("stream_management_location", "a\nThe setting", InvalidError, "a host with or without"),
        ("stream_management_location", "a\u202eb", InvalidError, "a host with or without"),
        ("stream_management_location", "a" * 301, InvalidError, "a host with or without"),
        ("domain", "example.net", InvalidError, "cannot be changed while this runs"),
        ("log_level", "debug", InvalidError, "cannot be changed while this runs"),
        ("api_token", "x" * 32, InvalidError, "cannot be changed"),
        ("no_such", 1, NotFoundError, "no setting 'no_such'"),
    ],
)
async def test_what_cannot_be_stays_as_it_is(chat, name, value, error, sentence):
    before = chat.settings
    with pytest.raises(error, match=sentence):
        await chat.api.change_setting(name, value)
    assert chat.settings == before


@pytest.mark.parametrize("end", ["\n", "\r", "\t", "\x85", "\x9b", "\u2028", "\u202e", "\x7f"])
async def test_no_value_breaks_the_line_that_the_log_has_of_it(chat, caplog, end):
    caplog.set_level(logging.INFO, "andiron.audit")
    for each in await chat.api.settings():
        if isinstance(each.value, str | tuple):
            forged = f"a{end}operator 'portia' from 192.0.2.7"
            with pytest.raises(InvalidError):
                await chat.api.change_setting(each.name, forged)
            with pytest.raises(InvalidError):
                await chat.api.change_setting(each.name, [forged])
    assert caplog.messages == []
