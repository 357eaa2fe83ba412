"""HTTP File Upload, XEP-0363: what is asked and answered, and what becomes of the files."""

import asyncio
import os
import re
from contextlib import AsyncExitStack
from datetime import datetime
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_loader
from pathlib import Path
from urllib.parse import unquote

import pytest
from slixmpp.stanza import Iq
from slixmpp.xmlstream import register_stanza_plugin
from support.domains import Stage, condition, settle

from andiron.domain.accounts.accounts import Accounts, NoSuchAccount
from andiron.domain.config import DomainConfig, UploadConfig
from andiron.domain.database.database import Database, DatabaseError
from andiron.domain.domain import Domain
from andiron.domain.registry import Target
from andiron.domain.uploads import service as upload_module
from andiron.domain.uploads.service import (
    SiteChannel,
    SlotUsed,
    TooManyUploads,
    Uploads,
    open_uploads,
)
from andiron.domain.uploads.store import DiskStore
from andiron.domain.uploads.table import QuotaExceeded
from andiron.sm.link import Channel
from andiron.xmpp import namespaces as ns

UPLOAD = f"{{{ns.UPLOAD}}}"
NOW = 1_700_000_000.0
SITE = "https://chat.example.org/talk"


class Site:
    """A stage whose domain takes files, and a clock for them."""

    def __init__(self, directory, **config):
        self.now = NOW
        self.stage = Stage()
        self.directory = directory
        self.config = UploadConfig(directory=str(directory), **config)
        self.uploads = Uploads(self.config, DiskStore(directory), clock=lambda: self.now)

    async def start(self):
        await self.uploads.start(self.stage.database)
        self.uploads.register(self.stage.domain.registry)
        return self

    async def client(self, name="romeo"):
        client = await self.stage.bind(name)
        client.transport.channel = SiteChannel("192.0.2.1", True, "websocket", SITE)
        return client

    async def slot(self, client, name="f.png", size=5000, kind="image/png"):
        """Ask for a slot and return it as the upload would bring it."""
        put, authorization = written(await client.ask(ask(name, size, kind)))
        token, path = put.removeprefix(f"{SITE}/upload/").split("/")
        return self.uploads.slot(token, unquote(path), authorization)

    async def upload(self, slot):
        async with self.uploads.receiving(slot) as incoming:
            await incoming.write(bytes(slot.size))
            await self.uploads.keep(slot, incoming)

    def files(self):
        return [path for path in self.directory.rglob("*") if path.is_file()]


def ask(name="f.png", size=5000, kind="image/png", to="localhost"):
    parts = {"filename": name, "size": size, "content-type": kind}
    text = " ".join(f"{key}='{value}'" for key, value in parts.items() if value is not None)
    return f"<iq type='get' id='u' to='{to}'><request xmlns='{ns.UPLOAD}' {text}/></iq>"


def written(answer):
    """Return the PUT URL and the Authorization of an answer."""
    put = answer.find(f"{UPLOAD}slot/{UPLOAD}put")
    assert put is not None, answer[0].tag
    (header,) = put
    assert header.attrib == {"name": "Authorization"}
    return put.get("url"), header.text


async def eventually(answering):
    """Return what takes a thread's work, too."""
    async with asyncio.timeout(60):
        return await answering


@pytest.fixture
async def site(tmp_path):
    return await Site(tmp_path / "uploads", quota=20_000, max_size=10_000).start()


@pytest.fixture
async def romeo(site):
    return await site.client()


# What is asked and answered


async def test_a_slot(site, romeo):
    answer = await romeo.ask(ask("très cool.jpg", 5000, "image/jpeg"))
    (slot,) = answer
    assert [child.tag for child in slot] == [f"{UPLOAD}put", f"{UPLOAD}get"]
    put, authorization = written(answer)
    assert slot[1].attrib == {"url": put}
    found = re.fullmatch(rf"{SITE}/upload/([\w-]{{32}})/tr%C3%A8s%20cool\.jpg", put)
    assert found
    known = site.uploads.slot(found[1], "très cool.jpg", authorization)
    assert (known.size, known.type, known.owner) == (5000, "image/jpeg", "romeo")
    assert known.expires == NOW + 300
    assert site.stage.database.writes == 0


async def test_no_two_slots_are_alike(romeo):
    urls = {written(await romeo.ask(ask(size=1)))[0] for _ in range(4)}
    assert len(urls) == 4


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (ask(name=None), "bad-request"),
        (ask(name=""), "bad-request"),
        (ask(size=None), "bad-request"),
        (ask(size=""), "bad-request"),
        (ask(size=0), "bad-request"),
        (ask(size=-1), "bad-request"),
        (ask(size="1.5"), "bad-request"),
        (ask(size="0x10"), "bad-request"),
        (ask(size="\u0661"), "bad-request"),
        (ask(size="9" * 5000), "bad-request"),
        (ask(kind="nonsense"), "bad-request"),
        (ask(kind="a/b&#10;c: d"), "bad-request"),
        (ask(size=10_001), "not-acceptable"),
        (ask(size="9" * 18), "not-acceptable"),
        (ask(to="romeo@localhost"), "service-unavailable"),
        (ask(to="juliet@localhost"), "service-unavailable"),
        (ask().replace("type='get'", "type='set'"), "service-unavailable"),
        (ask().replace(":upload:0", ":upload"), "service-unavailable"),
    ],
)
async def test_requests_that_get_none(romeo, request_, expected):
    assert condition(await romeo.ask(request_)) == expected


@pytest.mark.parametrize("size", ["1", " 10000 ", "010000"])
async def test_sizes_that_do(romeo, size):
    assert written(await romeo.ask(ask(size=size)))


@pytest.mark.parametrize(
    ("kind", "signed"),
    [(None, ""), ("", ""), (" ", ""), ("Text/Plain; charset=latin-1", "text/plain")],
)
async def test_types(site, romeo, kind, signed):
    assert (await site.slot(romeo, kind=kind)).type == signed


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("a&#10;b.txt", "a b.txt"),
        ("&quot;&apos;&lt;&amp;.txt", "_'_&.txt"),
        ("100% #?.txt", "100% #_.txt"),
        ("дом.txt", "дом.txt"),
        ("x" * 300 + ".png", "x" * 196 + ".png"),
    ],
)
async def test_file_names(site, romeo, name, kept):
    assert (await site.slot(romeo, name=name)).name == kept


async def test_a_file_that_is_too_large(romeo):
    answer = await romeo.ask(ask(size=10_001))
    limit = answer.find(f"*/{UPLOAD}file-too-large/{UPLOAD}max-file-size")
    assert limit.text == "10000"
    assert answer[0].get("type") == "modify"


async def test_who_has_no_account_may_not(site):
    stranger = await site.client("mercutio")
    answer = await stranger.ask(ask())
    assert (condition(answer), answer[0].get("type")) == ("forbidden", "auth")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("image/png", None),
        ("IMAGE/PNG; q=1", None),
        ("application/pdf", None),
        ("text/html", ("not-acceptable", "modify")),
        ("application/zip", ("not-acceptable", "modify")),
        (None, ("not-acceptable", "modify")),
    ],
)
async def test_types_that_the_operator_refuses(tmp_path, kind, expected):
    """XEP-0363 section 6: another file may do, which ``modify`` says."""
    site = await Site(tmp_path, types=("image/*", "application/pdf")).start()
    answer = await (await site.client()).ask(ask(kind=kind))
    error = (condition(answer), answer[0].get("type")) if answer.get("type") == "error" else None
    assert error == expected
    assert answer.find(f"*/{UPLOAD}file-too-large") is None


async def test_the_feature_and_the_limit_are_told(site, romeo):
    (query,) = await romeo.ask(
        f"<iq type='get' id='d' to='localhost'><query xmlns='{ns.DISCO_INFO}'/></iq>"
    )
    assert ns.UPLOAD in [child.get("var") for child in query]
    forms = [
        {field.get("var"): field[0].text for field in form}
        for form in query.findall(f"{{{ns.DATA}}}x")
    ]
    assert {"FORM_TYPE": ns.UPLOAD, "max-file-size": "10000"} in forms


async def test_no_file_can_be_larger_than_the_quota(tmp_path):
    site = await Site(tmp_path, quota=5000, max_size=10_000).start()
    answer = await (await site.client()).ask(ask(size=5001))
    assert answer.find(f"*/*/{UPLOAD}max-file-size").text == "5000"


# Where the site is


async def test_the_url_is_the_public_one(tmp_path):
    site = await Site(tmp_path, public_url="https://files.example.org").start()
    put, _ = written(await (await site.client()).ask(ask()))
    assert put.startswith("https://files.example.org/upload/")


async def test_the_url_is_that_of_the_present_connection(site, romeo):
    romeo.transport.channel = SiteChannel("192.0.2.1", True, "bosh", "http://[::1]:8000")
    put, _ = written(await romeo.ask(ask()))
    assert put.startswith("http://[::1]:8000/upload/")


@pytest.mark.parametrize(
    "channel",
    [SiteChannel("192.0.2.1", True, "bosh", ""), Channel("192.0.2.1", True, "websocket")],
)
async def test_who_named_no_host_gets_no_slot(romeo, channel):
    romeo.transport.channel = channel
    assert condition(await romeo.ask(ask())) == "service-unavailable"


# The quota


def retry(answer):
    """Return the Unix time from which it may be tried again."""
    assert condition(answer) == "resource-constraint"
    assert answer[0].get("type") == "wait"
    element = answer.find(f"*/{UPLOAD}retry")
    assert element.get("stamp").endswith("Z")
    return datetime.fromisoformat(element.get("stamp")).timestamp()


async def test_open_slots_count(site, romeo):
    for _ in range(4):
        await site.slot(romeo)
    assert retry(await romeo.ask(ask(size=1))) == NOW + 300
    assert written(await (await site.client("juliet")).ask(ask()))
    site.now += 300
    assert written(await romeo.ask(ask()))


async def test_slots_asked_for_at_once_do_not_pass_the_quota_together(site, romeo, monkeypatch):
    answering = asyncio.Event()

    async def used(_username):
        await answering.wait()
        return 0

    monkeypatch.setattr(site.uploads._table, "used", used)
    romeo.transport.take()
    for number in range(8):
        romeo.send(ask().replace("id='u'", f"id='u{number}'"))
    await settle()
    assert romeo.take() == []
    answering.set()
    await settle()
    answers = [answer.get("type") for answer in romeo.take()]
    assert sorted(answers) == ["error"] * 4 + ["result"] * 4


async def test_what_was_refused_does_not_count(site, romeo):
    await site.slot(romeo, size=10_000)
    await site.slot(romeo, size=4_000)
    for _ in range(3):
        retry(await romeo.ask(ask(size=10_000)))
    assert written(await romeo.ask(ask(size=5_000)))


async def test_files_count_until_they_expire(site, romeo):
    for _ in range(2):
        await eventually(site.upload(await site.slot(romeo, size=10_000)))
    site.now += 10
    when = retry(await romeo.ask(ask()))
    assert when == NOW + site.config.expiry + site.config.sweep_interval
    site.now = when
    await eventually(site.uploads.sweep())
    assert written(await romeo.ask(ask()))


async def test_where_files_are_kept_for_good_nobody_is_told_to_wait(tmp_path):
    site = await Site(tmp_path, quota=10_000, expiry=0).start()
    romeo = await site.client()
    await eventually(site.upload(await site.slot(romeo, size=10_000)))
    answer = await romeo.ask(ask())
    assert (condition(answer), answer[0].get("type")) == ("resource-constraint", "cancel")
    assert answer.find(f"*/{UPLOAD}retry") is None
    site.now += 10**9
    await eventually(site.uploads.sweep())
    assert len(site.files()) == 1


async def test_a_slot_that_was_used_counts_once(site, romeo):
    await eventually(site.upload(await site.slot(romeo, size=10_000)))
    assert written(await romeo.ask(ask(size=10_000)))


async def test_slots_are_bounded_in_number(tmp_path):
    site = await Site(tmp_path, max_slots=3).start()
    romeo = await site.client()
    for _ in range(3):
        await site.slot(romeo, size=1)
    assert retry(await romeo.ask(ask(size=1))) == NOW + 300


async def test_slots_that_nobody_uses_are_forgotten(site, romeo):
    await site.slot(romeo)
    await eventually(site.uploads.sweep())
    assert site.uploads._reserved._slots
    site.now += 300
    await eventually(site.uploads.sweep())
    assert not site.uploads._reserved._slots


async def test_the_quota_holds_for_slots_that_were_forgotten(site, romeo):
    slots = []
    for _ in range(3):
        slots.append(await site.slot(romeo, size=10_000))
        site.uploads._reserved._slots.clear()  # as by a restart
    for slot in slots[:2]:
        await eventually(site.upload(slot))
    with pytest.raises(QuotaExceeded):
        await eventually(site.upload(slots[2]))
    assert len(site.files()) == 2


async def test_a_broken_database_gives_no_slot(site, romeo):
    site.stage.database.error = DatabaseError("broken")
    assert condition(await romeo.ask(ask())) == "internal-server-error"
    site.stage.database.error = None
    assert not site.uploads._reserved._slots


# Files


async def test_a_file_is_found_by_its_token_and_name(site, romeo):
    slot = await site.slot(romeo, "дом.png")
    assert await site.uploads.find(slot.token, slot.name) is None
    await eventually(site.upload(slot))
    upload = await site.uploads.find(slot.token, slot.name)
    assert (upload.username, upload.name, upload.size) == ("romeo", "дом.png", 5000)
    assert await site.uploads.find(slot.token, "other.png") is None
    assert await site.uploads.find("../" + slot.token, slot.name) is None
    data = b"".join([piece async for piece in site.uploads.read(upload, 0, 5000)])
    assert data == bytes(5000)


async def test_nothing_of_what_a_client_wrote_is_on_the_disk(site, romeo):
    slot = await site.slot(romeo, "name.png")
    await eventually(site.upload(slot))
    (path,) = site.files()
    assert re.fullmatch("[0-9a-f]{32}/[0-9a-f]{64}", str(path.relative_to(site.directory)))
    assert slot.token not in str(path)


async def test_a_slot_expires(site, romeo):
    put, authorization = written(await romeo.ask(ask()))
    token = put.split("/")[-2]
    site.now += 299
    assert site.uploads.slot(token, "f.png", authorization)
    site.now += 1
    assert site.uploads.slot(token, "f.png", authorization) is None


async def test_a_slot_is_known_after_a_restart(site, romeo):
    put, authorization = written(await romeo.ask(ask()))
    again = Uploads(site.config, DiskStore(site.directory), clock=lambda: site.now)
    await again.start(site.stage.database)
    assert again.slot(put.split("/")[-2], "f.png", authorization)


async def test_a_slot_is_for_one_file(site, romeo):
    slot = await site.slot(romeo)
    await eventually(site.upload(slot))
    with pytest.raises(SlotUsed):
        await eventually(site.upload(slot))
    assert len(site.files()) == 1


async def test_a_slot_is_for_one_upload_at_a_time(site, romeo):
    slot = await site.slot(romeo)
    async with site.uploads.receiving(slot):
        with pytest.raises(SlotUsed):
            await site.upload(slot)
    assert site.files() == []
    await eventually(site.upload(slot))
    assert not site.uploads._coming


async def test_an_upload_that_failed_may_be_tried_again(site, romeo):
    slot = await site.slot(romeo)
    async with site.uploads.receiving(slot) as incoming:
        await incoming.write(b"half")
    assert site.files() == []
    await eventually(site.upload(slot))


async def test_uploads_at_a_time_are_bounded(tmp_path):
    site = await Site(tmp_path, max_concurrent=2).start()
    romeo, juliet = await site.client(), await site.client("juliet")
    slots = [await site.slot(romeo) for _ in range(3)]
    async with AsyncExitStack() as stack:
        for slot in slots[:2]:
            await stack.enter_async_context(site.uploads.receiving(slot))
        with pytest.raises(TooManyUploads):
            await site.upload(slots[2])
        await eventually(site.upload(await site.slot(juliet)))
    await eventually(site.upload(slots[2]))


async def test_a_file_expires(site, romeo):
    slot = await site.slot(romeo)
    await eventually(site.upload(slot))
    site.now += site.config.expiry - 1
    assert site.uploads.seconds_left(await site.uploads.find(slot.token, slot.name)) == 1
    await eventually(site.uploads.sweep())
    assert len(site.files()) == 1
    site.now += 1
    assert await site.uploads.find(slot.token, slot.name) is None
    site.now += 1
    await eventually(site.uploads.sweep())
    assert site.files() == []
    assert await site.uploads._table.used("romeo") == 0


async def test_a_file_outlives_its_slot_so_that_none_is_used_twice(tmp_path):
    site = await Site(tmp_path, expiry=1).start()
    slot = await site.slot(await site.client())
    await eventually(site.upload(slot))
    site.now += 299
    await eventually(site.uploads.sweep())
    with pytest.raises(SlotUsed):
        await site.upload(slot)


async def test_an_account_leaves_no_file(site, romeo):
    juliet = await site.client("juliet")
    await eventually(site.upload(await site.slot(romeo)))
    await eventually(site.upload(await site.slot(juliet)))
    accounts = Accounts(site.stage.database, "localhost")
    for name, left in (("romeo", 1), ("juliet", 0)):
        await accounts.remove(name)
        await eventually(site.uploads.remove_account(name))
        assert len(site.files()) == left
        assert await site.uploads._table.used(name) == 0


async def test_another_of_its_name_by_now_keeps_its_files(site, romeo):
    accounts = Accounts(site.stage.database, "localhost")
    old = await site.slot(romeo)
    await eventually(site.upload(old))
    await accounts.remove("romeo")
    await accounts.provide("romeo")
    slot = await site.slot(romeo)
    await eventually(site.upload(slot))
    await eventually(site.uploads.remove_account("romeo"))
    assert await site.uploads.find(old.token, old.name) is None
    assert await site.uploads.find(slot.token, slot.name) is not None
    for path in site.files():
        os.utime(path, (NOW - 3700, NOW - 3700))
    await eventually(site.uploads.sweep())
    assert len(site.files()) == 1


async def test_files_that_cannot_be_removed_are_left_to_the_sweep(site, romeo, monkeypatch):
    slot = await site.slot(romeo)
    await eventually(site.upload(slot))

    async def remove_folder(folder):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(site.uploads._store, "remove_folder", remove_folder)
    await Accounts(site.stage.database, "localhost").remove("romeo")
    await eventually(site.uploads.remove_account("romeo"))
    assert await site.uploads.find(slot.token, slot.name) is None
    for path in site.files():
        os.utime(path, (NOW - 3700, NOW - 3700))
    await eventually(site.uploads.sweep())
    assert site.files() == []


async def test_a_file_that_comes_when_its_account_is_gone_goes_too(site, romeo):
    slot = await site.slot(romeo)
    accounts = Accounts(site.stage.database, "localhost")
    async with site.uploads.receiving(slot) as incoming:
        await incoming.write(bytes(slot.size))
        await accounts.remove("romeo")
        with pytest.raises(NoSuchAccount):
            await site.uploads.keep(slot, incoming)
    assert site.files() == []


async def test_files_without_a_row_are_swept(site, romeo):
    for _ in range(2):
        await eventually(site.upload(await site.slot(romeo)))
    kept = site.files()
    folder = kept[0].parent
    orphans = [folder / ("a" * 64), folder / ("b" * 64)]
    for orphan in orphans:
        orphan.write_bytes(b"x")
    for path in [*kept, orphans[0]]:
        os.utime(path, (NOW - 3700, NOW - 3700))
    await eventually(site.uploads.sweep())
    assert sorted(site.files()) == sorted([*kept, orphans[1]])


async def test_sweeping_goes_on_after_a_failure(site, monkeypatch):
    swept = asyncio.Event()
    failures = [DatabaseError("x"), OSError("y")]

    async def sweep():
        if failures:
            raise failures.pop()
        swept.set()

    waits = []

    async def sleep(seconds, sleep=asyncio.sleep):
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr(site.uploads, "sweep", sweep)
    monkeypatch.setattr(upload_module.asyncio, "sleep", sleep)
    task = asyncio.create_task(site.uploads.run())
    await eventually(swept.wait())
    task.cancel()
    assert waits[:2] == [site.config.sweep_interval] * 2


# In a domain


async def test_a_folder_that_cannot_be_is_warned_of(tmp_path, caplog):
    (tmp_path / "file").touch()
    config = UploadConfig(directory=str(tmp_path / "file" / "uploads"))
    assert await open_uploads(config, Stage().database) is None
    assert "ANDIRON_UPLOAD_DIR" in caplog.text


async def test_a_domain_with_uploads(tmp_path):
    config = UploadConfig(directory=str(tmp_path / "uploads"))
    stage = Stage()
    domain = Domain(DomainConfig(upload=config), stage.guard)
    database = await Database.open("sqlite://")
    accounts = Accounts(database, "localhost", 4096)
    await domain.run(database, accounts, stage.authenticator, stage.store)
    assert domain.registry.find(Target.DOMAIN, "get", f"{UPLOAD}request") is not None
    assert domain.uploads.remove_account in domain.events.removed
    assert not (tmp_path / "uploads").exists()
    await domain.stop()


async def test_without_the_setting_there_are_none():
    stage = Stage()
    assert stage.domain.uploads is None
    assert ns.UPLOAD not in stage.domain.registry.features(Target.DOMAIN)


# Somebody else's eyes


def plugin():
    """Return slixmpp's stanzas of XEP-0363; its package itself asks for a HTTP client."""
    found = find_spec("slixmpp.plugins")
    path = Path(found.submodule_search_locations[0]) / "xep_0363" / "stanza.py"
    loader = SourceFileLoader("xep_0363_stanza", str(path))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


async def test_slixmpp_asks_and_understands(romeo):
    stanzas = plugin()
    register_stanza_plugin(Iq, stanzas.Request)
    register_stanza_plugin(Iq, stanzas.Slot)
    register_stanza_plugin(stanzas.Slot, stanzas.Put)
    register_stanza_plugin(stanzas.Slot, stanzas.Get)
    register_stanza_plugin(stanzas.Put, stanzas.Header, iterable=True)
    iq = Iq()
    iq["type"], iq["id"], iq["to"] = "get", "u", "localhost"
    iq["http_upload_request"]["filename"] = "très cool.jpg"
    iq["http_upload_request"]["size"] = "5000"
    iq["http_upload_request"]["content-type"] = "image/jpeg"
    answer = Iq(xml=await romeo.ask(str(iq)))
    slot = answer["http_upload_slot"]
    assert slot["put"]["url"] == slot["get"]["url"]
    (header,) = slot["put"]["headers"]
    assert header["name"] == "Authorization"
    assert header["value"].startswith("Bearer ")
