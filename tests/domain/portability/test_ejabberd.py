"""Accounts that come from a real ejabberd, and go there."""

import os
import subprocess
from pathlib import Path

import pytest
from support.portability import Server

from andiron.domain.accounts.credentials import verify_password
from tests.conftest import require

CONFIG = """
hosts: [localhost]
loglevel: warning
auth_method: internal
auth_password_format: {password_format}
listen: []
modules:
  mod_roster: {{}}
  mod_vcard: {{}}
  mod_private: {{}}
  mod_offline: {{}}
  mod_blocking: {{}}
  mod_privacy: {{}}
  mod_last: {{}}
"""
MODULE = """
-module(moving).
-export([main/0]).
main() ->
  wait(),
  lists:foreach(fun run/1, [{steps}]),
  halt(0).
run({{register, U, P}}) -> ejabberd_auth:try_register(U, <<"localhost">>, P);
run({{route, S}}) ->
  ejabberd_router:route(xmpp:decode(fxml_stream:parse_element(S), <<"jabber:client">>, [])),
  timer:sleep(50);
run({{export, D}}) -> timer:sleep(200), ok = ejabberd_piefxis:export_server(D);
run({{import, F}}) -> io:format("~p~n", [ejabberd_piefxis:import_file(F)]).
wait() ->
  case lists:keymember(ejabberd, 1, application:which_applications()) of
    true -> ok;
    false -> timer:sleep(50), wait()
  end.
"""
CLIENT = "xmlns='jabber:client'"
SELF = f"{CLIENT} type='set' from='romeo@localhost/a' to='romeo@localhost'"
STANZAS = (
    f"<iq {SELF} id='1'><query xmlns='jabber:iq:roster'>"
    "<item jid='juliet@localhost' name='Juliet'><group>Friends</group></item></query></iq>",
    f"<presence {CLIENT} type='subscribe' from='paris@elsewhere.example' to='romeo@localhost'/>",
    f"<iq {SELF} id='2'><vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard></iq>",
    f"<iq {SELF} id='3'><query xmlns='jabber:iq:private'><x xmlns='urn:x'>y</x></query></iq>",
    f"<iq {SELF} id='4'><block xmlns='urn:xmpp:blocking'><item jid='tybalt@localhost'/>"
    "</block></iq>",
    f"<message {CLIENT} type='chat' from='juliet@localhost/x' to='romeo@localhost'>"
    "<body>Wherefore?</body></message>",
)


def binary(text):
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'<<"{escaped}">>'


@pytest.fixture
def ejabberd(tmp_path, program):
    """Return a function that runs steps within an ejabberd of the test's own."""
    require("ejabberd", program("ejabberdctl"))
    erl, erlc = program("erl"), program("erlc")
    libraries = next(map(str, Path("/usr/lib").glob("*/ejabberd-*")), None)
    path = Path(require("ejabberd's libraries", libraries)).parent

    def run(steps, password_format="plain"):
        folder = tmp_path / "ejabberd"
        folder.mkdir(exist_ok=True)
        (folder / "ejabberd.yml").write_text(CONFIG.format(password_format=password_format))
        (folder / "moving.erl").write_text(MODULE.format(steps=", ".join(steps)))
        environment = os.environ | {
            "ERL_LIBS": str(path),
            "EJABBERD_CONFIG_PATH": str(folder / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
            "HOME": str(folder),
        }
        subprocess.run([erlc, "moving.erl"], cwd=folder, check=True, capture_output=True)
        options = ["-noinput", "-mnesia", "dir", f'"{folder}/db"', "-s", "ejabberd"]
        done = subprocess.run(
            [erl, *options, "-s", "moving", "main"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


@pytest.mark.peer
@pytest.mark.parametrize("password_format", ["plain", "scram"])
async def test_from_ejabberd(ejabberd, tmp_path, password_format):
    out = tmp_path / "out"
    out.mkdir()
    ejabberd(
        [
            f"{{register, {binary('romeo')}, {binary('secret')}}}",
            f"{{register, {binary('juliet')}, {binary('other')}}}",
            *(f"{{route, {binary(stanza)}}}" for stanza in STANZAS),
            f"{{export, {binary(out)}}}",
        ],
        password_format,
    )
    main = next(path for path in out.iterdir() if "_" not in path.name)
    server = Server(tmp_path)
    report = await server.read_files(main)
    assert (server.problems, report.made) == ([], 2)
    assert report.counts == {"contacts": 1, "messages": 1, "nodes": 0}
    assert verify_password(await server.accounts.credentials("romeo"), "secret")
    exported = await server.export("romeo")
    for text in (
        "<item jid='juliet@localhost' name='Juliet' subscription='none'><group>Friends</group>",
        "from='paris@elsewhere.example'",
        "<FN>Romeo</FN>",
        "<x xmlns='urn:x'>y</x>",
        "value='tybalt@localhost'",
        "<body>Wherefore?</body>",
    ):
        assert text in exported


@pytest.mark.peer
async def test_to_ejabberd_and_back(ejabberd, tmp_path):
    """What it keeps comes back the same; its own sign-in wants keys that are encoded twice."""
    server, back = Server(tmp_path), Server(tmp_path)
    inner = (
        "<query xmlns='jabber:iq:roster'><item jid='juliet@localhost' subscription='both'/></query>"
        "<vCard xmlns='vcard-temp'><FN>Nurse</FN></vCard>"
        "<query xmlns='jabber:iq:private'><x xmlns='urn:x'>y</x></query>"
    )
    await server.read(
        "<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>"
        f"<user name='nurse' password='secret'>{inner}</user></host></server-data>"
    )
    path, out = tmp_path / "andiron.xml", tmp_path / "out"
    path.write_text(await server.export(), "utf-8")
    out.mkdir()
    said = ejabberd([f"{{import, {binary(path)}}}", f"{{export, {binary(out)}}}"], "scram")
    assert said.split()[-1] == "ok"
    await back.read_files(next(path for path in out.iterdir() if "_" not in path.name))
    assert back.problems == []
    assert verify_password(await back.accounts.credentials("nurse"), "secret")
    exported = await back.export()
    for text in ("<item jid='juliet@localhost' subscription='both'/>", "<FN>Nurse</FN>", "urn:x"):
        assert text in exported
