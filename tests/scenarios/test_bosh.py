"""The conversations of XEP-0124 and XEP-0206, as their examples write them.

``C`` lines are requests and ``S`` lines answers, told apart by ``rid``. An
answer stands where it is due: not before, not later. ``…`` in an attribute
stands for anything; the server's own name is localhost.
"""

import re
from xml.etree import ElementTree

import pytest
from support.bosh import BoshWorld, RecordedCall

from andiron.sm.config import SmConfig

BIND = "http://jabber.org/protocol/httpbind"
STREAMS = "http://etherx.jabber.org/streams"
_STEP = re.compile(r" (?=[CS] \d+: |wait |deliver )")
LIMITS = (
    "<limits xmlns='urn:xmpp:stream-limits:0'>"
    "<max-bytes>{}</max-bytes><idle-seconds>60</idle-seconds></limits>"
)
"""In all features (XEP-0478), and of no concern to these conversations."""
_LINE = re.compile(r"([CS]) (\d+): (.*)", re.DOTALL)
_WAIT = re.compile(r"wait (\S+)")
_DELIVER = re.compile(r"deliver (.*)")


def talk(script, **options):
    """Play a script; every answer must be the one that stands there."""
    world = BoshWorld(SmConfig(active=False), **options)
    calls: dict[str, RecordedCall] = {}
    sid = ""
    for line in _STEP.split(" ".join(script.split()).strip()):
        if match := _WAIT.fullmatch(line):
            world.pass_time(float(match[1]))
        elif match := _DELIVER.fullmatch(line):
            session = world.link().session
            session.deliver(match[1], world.now)
            world.settle()
        else:
            who, rid, text = _LINE.fullmatch(line).groups()
            if who == "C":
                assert [key for key, call in calls.items() if not call.waits] == [], line
                if rid in calls and calls[rid].waits:
                    calls[f"older {rid}"] = calls[rid]
                calls[rid] = world.post(_request(text, rid, sid))
            else:
                key = f"older {rid}" if f"older {rid}" in calls else rid
                call = calls.pop(key)
                assert not call.waits, line
                sid = sid or call.attribute("sid")
                _expect(text, call.text)
    assert [rid for rid, call in calls.items() if not call.waits] == []


def _request(text, rid, sid):
    text = text.replace("<body", f"<body xmlns='{BIND}' rid='{rid}'", 1)
    return text.replace("SomeSID", sid) if sid else text


def _expect(text, said):
    limits = LIMITS.format(262_144 if "<bind/>" in text else 16_384)
    text = text.replace("</stream:features>", f"{limits}</stream:features>")
    expected = text.replace("<body", f"<body xmlns='{BIND}' xmlns:stream='{STREAMS}'", 1)
    pattern = re.escape(ElementTree.canonicalize(expected)).replace("…", '[^"]*')
    said = ElementTree.canonicalize(said)
    assert re.fullmatch(pattern, said), f"expected {expected}\n    said {said}"


SIGNED_IN = """
    C 1: <body to='localhost' hold='1' wait='60' ver='1.6'/>
    S 1: <body sid='…' wait='60' requests='2' hold='1' inactivity='30' polling='5'
        maxpause='120' from='localhost' authid='…' charsets='UTF-8' ver='1.6'
        xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'
        xmpp:restartlogic='true'><stream:features><mechanisms/></stream:features></body>
    C 2: <body sid='SomeSID'><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'
        mechanism='TEST'>juliet</auth></body>
    S 2: <body><success/></body>
    C 3: <body sid='SomeSID' to='localhost' xml:lang='en' xmpp:restart='true'
        xmlns:xmpp='urn:xmpp:xbosh'/>
    S 3: <body><stream:features><bind/></stream:features></body>
    C 4: <body sid='SomeSID'><iq id='bind_1' type='set' xmlns='jabber:client'><bind
        xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>httpclient</resource></bind></iq></body>
    S 4: <body><iq type='result' id='bind_1'/></body>
"""

SCENARIOS = {
    "XEP-0206 example 12: sign in, restart, bind": "",
    "XEP-0124 section 8: payloads in, nothing to send, an empty answer after wait": """
        C 5: <body sid='SomeSID'><message to='contact@example.com'
            xmlns='jabber:client'><body>Good morning!</body></message><message
            to='friend@example.com' xmlns='jabber:client'><body>Hey, what&apos;s
            up?</body></message></body>
        wait 60
        S 5: <body/>
    """,
    "XEP-0124 section 8: an answer with what was queued": """
        deliver <message from='contact@example.com' to='user@example.com'
            xmlns='jabber:client'><body>Good morning to you!</body></message>
        deliver <message from='friend@example.com' to='user@example.com'
            xmlns='jabber:client'><body>Not much, how about with you?</body></message>
        C 5: <body sid='SomeSID'/>
        S 5: <body><message from='contact@example.com' to='user@example.com'
            xmlns='jabber:client'><body>Good morning to you!</body></message><message
            from='friend@example.com' to='user@example.com' xmlns='jabber:client'><body>Not
            much, how about with you?</body></message></body>
    """,
    "XEP-0124 section 4: the connections switch roles": """
        C 5: <body sid='SomeSID'/>
        wait 1
        C 6: <body sid='SomeSID'><message to='a@b' xmlns='jabber:client'/></body>
        S 5: <body/>
        deliver <message xmlns='jabber:client' id='in'/>
        S 6: <body><message xmlns='jabber:client' id='in'/></body>
        C 7: <body sid='SomeSID'/>
        wait 60
        S 7: <body/>
    """,
    "XEP-0124 section 10: a pause": """
        C 5: <body sid='SomeSID'/>
        C 6: <body sid='SomeSID' pause='60'/>
        S 5: <body/>
        S 6: <body/>
        wait 59
        C 7: <body sid='SomeSID'/>
        wait 60
        S 7: <body/>
        wait 30
        C 8: <body sid='SomeSID'/>
        S 8: <body type='terminate' condition='item-not-found'/>
    """,
    "XEP-0124 section 8: one more than is held, as from a page that is reloaded": """
        C 5: <body sid='SomeSID'/>
        C 6: <body sid='SomeSID'/>
        S 5: <body/>
        deliver <message xmlns='jabber:client' id='in'/>
        S 6: <body><message xmlns='jabber:client' id='in'/></body>
    """,
    "XEP-0124 section 11: too frequent requests, again and again": """
        C 5: <body sid='SomeSID'/>
        C 6: <body sid='SomeSID'/>
        S 5: <body/>
        C 7: <body sid='SomeSID'/>
        S 6: <body/>
        wait 4
        C 8: <body sid='SomeSID'/>
        S 7: <body/>
        C 9: <body sid='SomeSID'/>
        S 8: <body/>
        C 10: <body sid='SomeSID'/>
        S 9: <body type='terminate' condition='other-request'/>
        S 10: <body type='terminate' condition='policy-violation'/>
    """,
    "XEP-0124 section 13: the client ends the session, politely": """
        C 5: <body sid='SomeSID'/>
        C 6: <body sid='SomeSID' type='terminate'><presence type='unavailable'
            xmlns='jabber:client'/></body>
        S 5: <body type='terminate'/>
        S 6: <body/>
    """,
    "XEP-0124 section 14.2: requests come in the wrong order": """
        C 6: <body sid='SomeSID'><message to='a@b' id='second' xmlns='jabber:client'/></body>
        C 5: <body sid='SomeSID'><message to='a@b' id='first' xmlns='jabber:client'/></body>
        S 5: <body/>
        deliver <message xmlns='jabber:client' id='in'/>
        S 6: <body><message xmlns='jabber:client' id='in'/></body>
    """,
    "XEP-0124 section 14.2: an unexpected rid": """
        C 5: <body sid='SomeSID'/>
        C 8: <body sid='SomeSID'/>
        S 8: <body type='terminate' condition='item-not-found'/>
        S 5: <body type='terminate' condition='other-request'/>
    """,
    "XEP-0124 section 14.3: the answer was lost": """
        C 5: <body sid='SomeSID'/>
        deliver <message xmlns='jabber:client' id='in'/>
        S 5: <body><message xmlns='jabber:client' id='in'/></body>
        C 5: <body sid='SomeSID'/>
        S 5: <body><message xmlns='jabber:client' id='in'/></body>
    """,
    "XEP-0124 section 14.3: the request is still held": """
        C 5: <body sid='SomeSID'/>
        wait 20
        C 5: <body sid='SomeSID'/>
        S 5: <body type='error'/>
        deliver <message xmlns='jabber:client' id='in'/>
        S 5: <body><message xmlns='jabber:client' id='in'/></body>
    """,
    "XEP-0124 section 14.3: the answer is not in the buffer": """
        C 5: <body sid='SomeSID'><message to='a@b' xmlns='jabber:client'/></body>
        C 6: <body sid='SomeSID'><message to='a@b' xmlns='jabber:client'/></body>
        S 5: <body/>
        C 4: <body sid='SomeSID'/>
        S 4: <body><iq type='result' id='bind_1'/></body>
        C 3: <body sid='SomeSID'/>
        S 3: <body type='terminate' condition='item-not-found'/>
        S 6: <body type='terminate' condition='other-request'/>
    """,
    "XEP-0124 section 16.2: another stream, where only one can be": """
        C 5: <body sid='SomeSID' to='localhost' route='xmpp:localhost:9999' xml:lang='en'/>
        wait 60
        S 5: <body/>
    """,
    "XEP-0206 section 6: a stream error": """
        C 5: <body sid='SomeSID'><unknown xmlns='urn:example'/></body>
        S 5: <body condition='remote-stream-error'
            type='terminate'><stream:error><unsupported-stanza-type
            xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></body>
    """,
}


@pytest.mark.parametrize("script", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_conversation(script):
    talk(SIGNED_IN + script)


CREATION = {
    "XEP-0124 section 7: with everything a client may ask": """
        C 1573741820: <body content='text/xml; charset=utf-8' from='user@example.com' hold='1'
            to='localhost' route='xmpp:example.com:9999' ver='1.6' wait='60' ack='1'
            xml:lang='en'/>
        S 1573741820: <body wait='60' inactivity='30' polling='5' requests='2' hold='1'
            ack='1573741820' maxpause='120' sid='…' charsets='UTF-8' ver='1.6' from='localhost'
            authid='…' xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'
            xmpp:restartlogic='true'><stream:features><mechanisms/></stream:features></body>
    """,
    "XEP-0124 section 17.2: an unknown host": """
        C 5: <body to='elsewhere' ver='1.6'/>
        S 5: <body type='terminate' condition='host-unknown'/>
    """,
    "XEP-0124 section 17: no session of that name": """
        C 5: <body sid='unknown'/>
        S 5: <body type='terminate' condition='item-not-found'/>
    """,
    "XEP-0124 section 15.3: a wrong key": """
        C 1: <body to='localhost' hold='1' wait='60' ver='1.6'
            newkey='ca393b51b682f61f98e7877d61146407f3d0a770'/>
        S 1: <body sid='…' wait='60' requests='2' hold='1' inactivity='30' polling='5'
            maxpause='120' from='localhost' authid='…' charsets='UTF-8' ver='1.6'
            xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'
            xmpp:restartlogic='true'><stream:features><mechanisms/></stream:features></body>
        C 2: <body sid='SomeSID' key='0000'/>
        S 2: <body type='terminate' condition='item-not-found'/>
    """,
    "XEP-0124 section 12: polling too often": """
        C 1: <body to='localhost' hold='0' wait='0' ver='1.6'/>
        S 1: <body sid='…' wait='0' requests='1' hold='0' inactivity='40' polling='5'
            maxpause='120' from='localhost' authid='…' charsets='UTF-8' ver='1.6'
            xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'
            xmpp:restartlogic='true'><stream:features><mechanisms/></stream:features></body>
        C 2: <body sid='SomeSID'/>
        S 2: <body/>
        wait 5
        C 3: <body sid='SomeSID'/>
        S 3: <body/>
        wait 4.9
        C 4: <body sid='SomeSID'/>
        S 4: <body/>
        C 5: <body sid='SomeSID'/>
        S 5: <body/>
        C 6: <body sid='SomeSID'/>
        S 6: <body/>
        C 7: <body sid='SomeSID'/>
        S 7: <body/>
        C 8: <body sid='SomeSID'/>
        S 8: <body type='terminate' condition='policy-violation'/>
    """,
}


@pytest.mark.parametrize("script", CREATION.values(), ids=CREATION.keys())
def test_creation(script):
    talk(script)
