"""``andiron serve --reload``: what it watches, and one real run in which a session goes on."""

import os
from pathlib import Path

import andiron.domain.rooms
from andiron.serving.reloading import Reloader, watched
from tests.app.serving.test_server import demonstration, links, signed_in

BIND = (
    "<iq xmlns='jabber:client' type='set' id='bind'>"
    "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
)
REOPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
SAY = "<message xmlns='jabber:client' to='bob@localhost'><body>while away</body></message>"
SM = "urn:xmpp:sm:3"


def test_the_package_the_settings_and_the_folder_are_watched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANDIRON_DEFAULTS", "defaults.toml")
    for name in ("site.py", "parts/views.py", "readme.txt", ".git/x.py", "node_modules/a/x.py"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("venv").mkdir()
    Path("venv/pyvenv.cfg").touch()
    Path("venv/x.py").touch()
    found = set(watched())
    own = {path for path in found if not path.is_absolute()}
    assert own == set(map(Path, ("site.py", "parts/views.py", "andiron.toml", "defaults.toml")))
    assert Path(andiron.domain.rooms.__file__) in found
    assert not [path for path in found if path.suffix == ".pyc"]


def test_what_is_made_changed_replaced_or_removed_is_a_change(tmp_path):
    here = tmp_path / "a.py"
    reloader = Reloader(print, [], lambda: [here])
    reloader.pause = lambda: None
    assert reloader.should_restart() == []
    here.write_text("1")
    assert reloader.should_restart() == [here]
    here.write_text("22")
    assert reloader.should_restart() == [here]
    other = tmp_path / "b.py"
    other.write_text("33")
    os.utime(other, ns=(0, 0))
    other.replace(here)
    assert reloader.should_restart() == [here]
    assert reloader.should_restart() == []
    here.unlink()
    assert reloader.should_restart() == [here]


async def bound(address, name, password):
    client = await signed_in(address, name, password)
    await client.send(REOPEN)
    assert "<open" in await client.recv()
    assert SM in await client.recv()
    return client


async def test_sessions_go_on_over_a_change_of_the_code(tmp_path):
    code = tmp_path / "site.py"
    async with demonstration(tmp_path, "--reload", "--port", "0") as process:
        (address, *alice), (_, *bob) = before = await links(process)
        his = await bound(address, *bob)
        await his.send(BIND)
        assert "id='bind'" in await his.recv()
        await his.send("<presence xmlns='jabber:client'/>")
        assert "<presence" in await his.recv()
        await his.send(f"<enable xmlns='{SM}' resume='true'/>")
        sm_id = (await his.recv()).partition(" id='")[2].partition("'")[0]
        code.write_text("changed = True")
        await his.wait_closed()
        # Not refused: it waits until there is a server again.
        hers = await bound(address, *alice)
        await hers.send(BIND)
        assert "id='bind'" in await hers.recv()
        await hers.send(SAY)
        his = await bound(address, *bob)
        await his.send(f"<resume xmlns='{SM}' previd='{sm_id}' h='0'/>")
        assert "<resumed" in await his.recv()
        assert "while away" in await his.recv()
        assert await links(process) == before
        config = tmp_path / "andiron.toml"
        config.write_text("log_level = 7")
        while b'Error: "log_level" in andiron.toml' not in (
            line := await process.stderr.readline()
        ):
            assert line
        config.write_text("")
        assert await links(process) == before
        process.kill()
        # The server ends with it: nobody has these pipes any more.
        await process.communicate()
    for client in (hers, his):
        await client.close()
