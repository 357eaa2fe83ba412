"""Shared rosters: the members of a group are contacts of each other."""

import asyncio

import pytest
from support.domains import CLIENT, Stage, condition, settle
from support.waiting import until

from andiron.domain.contacts import groups as groups_module
from andiron.domain.contacts.roster import roster_of, sees
from andiron.domain.database.database import DatabaseError
from andiron.domain.person import Person
from andiron.domain.sign_in.site import Site
from andiron.xmpp import namespaces as ns

ROSTER = f"{{{ns.ROSTER}}}"
JULIET, ROMEO, NURSE = (f"{name}@localhost" for name in ("juliet", "romeo", "nurse"))
BOTH = "both"


@pytest.fixture
async def stage():
    stage = Stage()
    stage.add_account("nurse")
    await settle()
    yield stage
    await stage.domain.stop()


@pytest.fixture
def groups(stage):
    return stage.domain.groups


def get(ver=None):
    wanted = "" if ver is None else f" ver='{ver}'"
    return f"<iq type='get' id='get'><query xmlns='{ns.ROSTER}'{wanted}/></iq>"


def read(tree):
    """Return a roster, or what a push says: contacts with name, subscription and groups."""
    return {
        item.get("jid"): (
            item.get("name"),
            item.get("subscription"),
            sorted(each.text for each in item),
        )
        for item in tree.find(f"{ROSTER}query")
    }


def ver(tree):
    return tree.find(f"{ROSTER}query").get("ver")


async def roster(client):
    return read(await client.ask(get()))


def pushes(stanzas):
    return [tree for tree in stanzas if tree.tag == f"{CLIENT}iq" and tree.get("type") == "set"]


def presences(stanzas):
    return [
        (tree.get("from"), tree.get("type")) for tree in stanzas if tree.tag == f"{CLIENT}presence"
    ]


async def put(client, item):
    client.take()
    client.send(f"<iq type='set' id='put'><query xmlns='{ns.ROSTER}'>{item}</query></iq>")
    await settle()
    stanzas = client.take()
    (answer,) = [tree for tree in stanzas if tree.get("id") == "put"]
    return answer, pushes(stanzas)


async def test_members_are_in_each_others_lists(stage, groups):
    await groups.add("House", ["juliet", "nurse"])
    juliet = await stage.bind("juliet")
    assert await roster(juliet) == {NURSE: (None, BOTH, ["House"])}
    assert await roster(await stage.bind("nurse")) == {JULIET: (None, BOTH, ["House"])}
    assert await roster(await stage.bind("romeo")) == {}


async def test_one_may_be_in_several_groups_with_somebody(stage, groups):
    await groups.add("House", ["juliet", "nurse"])
    await groups.add("Friends", ["juliet", "nurse", "romeo"])
    assert await roster(await stage.bind("juliet")) == {
        NURSE: (None, BOTH, ["Friends", "House"]),
        ROMEO: (None, BOTH, ["Friends"]),
    }


async def test_presence_flows(stage, groups):
    await groups.add("House", ["juliet", "nurse"])
    juliet = await stage.come("juliet", "balcony")
    nurse = await stage.bind("nurse", "room")
    nurse.send("<presence/>")
    await settle()
    assert presences(nurse.take()) == [(nurse.jid, None), (juliet.jid, None)]
    assert presences(juliet.take()) == [(nurse.jid, None)]
    nurse.leave()
    assert presences(juliet.take()) == [(nurse.jid, "unavailable")]


async def test_who_is_there_is_told_of_a_change(stage, groups):
    juliet, nurse = await stage.come("juliet", "balcony"), await stage.come("nurse", "room")
    await juliet.ask(get())
    await groups.add("House", ["juliet", "nurse"])
    await settle()
    came = juliet.take()
    (push,) = pushes(came)
    assert read(push) == {NURSE: (None, BOTH, ["House"])}
    assert presences(came) == [(nurse.jid, None)]
    came = nurse.take()
    assert (pushes(came), presences(came)) == ([], [(juliet.jid, None)])
    await groups.remove("House", ["nurse"])
    await settle()
    came = juliet.take()
    (push,) = pushes(came)
    assert read(push) == {NURSE: (None, "remove", [])}
    assert presences(came) == [(nurse.jid, "unavailable")]
    assert presences(nurse.take()) == [(juliet.jid, "unavailable")]
    assert await roster(juliet) == {}


async def test_who_sees_another_otherwise_goes_on_to(stage, groups):
    juliet, nurse = await stage.come("juliet", "balcony"), await stage.come("nurse", "room")
    await groups.add("House", ["juliet", "nurse"])
    await groups.add("Friends", ["juliet", "nurse"])
    await settle()
    assert presences(juliet.take()) == [(nurse.jid, None)]
    await groups.delete("House")
    await settle()
    assert presences(juliet.take()) == []
    assert sees(juliet.link.owner, NURSE)


async def test_versions_tell_one_state_from_another(stage, groups):
    await groups.add("House", ["juliet", "nurse"])
    juliet = await stage.bind("juliet")
    whole = await juliet.ask(get())
    assert len(await juliet.ask(get(ver(whole)))) == 0
    await groups.add("House", ["romeo"])
    await settle()
    (push,) = pushes(juliet.take())
    assert len(await juliet.ask(get(ver(push)))) == 0
    assert len(read(await juliet.ask(get(ver(whole))))) == 2
    _, (push,) = await put(juliet, "<item jid='paris@localhost'/>")
    assert len(await juliet.ask(get(ver(push)))) == 0


async def test_a_version_is_complete_only_with_the_last_push(stage, groups):
    juliet = await stage.bind("juliet")
    await juliet.ask(get())
    await groups.add("House", ["juliet", "nurse", "romeo"])
    await settle()
    first, second = pushes(juliet.take())
    assert len(await juliet.ask(get(ver(second)))) == 0
    assert len(read(await juliet.ask(get(ver(first))))) == 2


async def test_the_version_is_the_same_after_a_restart(stage, groups):
    await groups.add("House", ["juliet", "nurse"])
    juliet = await stage.bind("juliet")
    before = ver(await juliet.ask(get()))
    juliet.leave()
    stage.domain.owners.forget(JULIET)
    juliet = await stage.bind("juliet")
    assert ver(await juliet.ask(get())) == before


async def test_a_contact_of_a_group_is_renamed_but_not_removed(stage, groups):
    await groups.add("House", ["juliet", "nurse"])
    juliet = await stage.bind("juliet")
    await juliet.ask(get())
    item = f"<item jid='{NURSE}' name='Angelica'><group>House</group><group>Mine</group></item>"
    answer, (push,) = await put(juliet, item)
    assert answer.get("type") == "result"
    expected = {NURSE: ("Angelica", BOTH, ["House", "Mine"])}
    assert read(push) == await roster(juliet) == expected
    answer, nothing = await put(juliet, f"<item jid='{NURSE}' subscription='remove'/>")
    assert (condition(answer), nothing) == ("not-allowed", [])
    await groups.delete("House")
    await settle()
    (push,) = pushes(juliet.take())
    assert read(push) == {NURSE: ("Angelica", "none", ["Mine"])}


async def test_a_subscription_is_there_and_cannot_be_ended(stage, groups):
    await groups.add("House", ["juliet", "nurse"])
    juliet, nurse = await stage.come("juliet", "balcony"), await stage.come("nurse", "room")
    juliet.take()
    for kind in ("subscribe", "subscribed"):
        juliet.send(f"<presence to='{NURSE}' type='{kind}'/>")
        await settle()
        assert (juliet.take(), nurse.take()) == ([], [])
    for kind in ("unsubscribe", "unsubscribed"):
        juliet.send(f"<presence to='{NURSE}' type='{kind}' id='u'/>")
        await settle()
        (error,) = juliet.take()
        assert condition(error) == "not-allowed"
    assert nurse.take() == []


async def test_who_is_blocked_is_not_seen(stage, groups):
    await groups.add("House", ["juliet", "nurse"])
    juliet, nurse = await stage.come("juliet", "balcony"), await stage.bind("nurse", "room")
    block = f"<block xmlns='{ns.BLOCKING}'><item jid='{NURSE}'/></block>"
    await juliet.ask(f"<iq type='set' id='b'>{block}</iq>")
    nurse.send("<presence/>")
    await settle()
    assert presences(nurse.take()) == [(nurse.jid, None)]
    assert juliet.take() == []


async def test_what_is_published_for_contacts_is_seen(stage, groups):
    await groups.add("House", ["juliet", "nurse"])
    juliet, nurse = await stage.bind("juliet"), await stage.bind("nurse")
    item = "<item id='i'><mood xmlns='m'/></item>"
    publish = f"<pubsub xmlns='{ns.PUBSUB}'><publish node='mood'>{item}</publish></pubsub>"
    await juliet.ask(f"<iq type='set' id='p'>{publish}</iq>")
    items = f"<pubsub xmlns='{ns.PUBSUB}'><items node='mood'/></pubsub>"
    ask = f"<iq type='get' id='q' to='{JULIET}'>{items}</iq>"
    assert (await nurse.ask(ask)).get("type") == "result"
    await groups.remove("House", ["nurse"])
    assert (await nurse.ask(ask)).get("type") == "error"


async def test_a_removed_account_leaves_its_groups(stage, groups):
    await groups.add("House", ["juliet", "nurse"])
    juliet = await stage.bind("juliet")
    await juliet.ask(get())
    await stage.domain.remove_account("nurse")
    await settle()
    (push,) = pushes(juliet.take())
    assert read(push) == {NURSE: (None, "remove", [])}


async def test_what_another_process_changed_is_noticed(stage, groups):
    juliet = await stage.bind("juliet")
    await juliet.ask(get())
    await groups.store.add("House", ["juliet", "nurse"])
    await groups.look()
    await settle()
    assert len(pushes(juliet.take())) == 1
    await groups.store.remove("House", ["nurse"])
    await groups.look()
    await settle()
    assert len(pushes(juliet.take())) == 1
    reads = groups._reads
    await groups.look()
    assert groups._reads == reads


async def test_a_group_is_named_after_what_the_site_says(stage):
    owner = await stage.domain.owners.load(NURSE)
    await stage.domain.welcome(owner, Person("nurse", "Angelica", groups=["House", "\n"]))
    juliet = await stage.bind("juliet")
    await juliet.ask(get())
    await stage.domain.welcome(juliet.link.owner, Person("juliet", groups=("House",)))
    await settle()
    (push,) = pushes(juliet.take())
    assert read(push) == {NURSE: ("Angelica", BOTH, ["House"])}
    await stage.domain.welcome(owner, Person("nurse", "Angela"))
    await settle()
    (push,) = pushes(juliet.take())
    assert read(push) == {NURSE: ("Angela", BOTH, ["House"])}
    await stage.domain.welcome(owner, Person("nurse", groups=()))
    await settle()
    (push,) = pushes(juliet.take())
    assert read(push) == {NURSE: (None, "remove", [])}


async def test_what_the_table_says_stays_whatever_the_site_says(stage, groups):
    await groups.add("House", ["juliet", "nurse"])
    owner = await stage.domain.owners.load(NURSE)
    await stage.domain.welcome(owner, Person("nurse", groups=("House",)))
    await stage.domain.welcome(owner, Person("nurse", groups=()))
    assert sees(owner, JULIET)


async def test_many_members_are_told_a_few_at_a_time(stage, groups):
    names = [f"user{number:03}" for number in range(300)]
    stage.add_account(*names)
    juliet = await stage.bind("juliet")
    await juliet.ask(get())
    await groups.add("All", ["juliet", *names])
    told = []
    for _ in range(400):
        await asyncio.sleep(0)
        told.append(len(pushes(juliet.take())))
    assert sum(told) == 300
    assert max(told) <= 20
    assert len(await roster(juliet)) == 300


async def test_a_group_has_so_many_members_and_no_more(stage, groups, caplog):
    groups._config = groups_module.GroupConfig(most=2)
    await groups.add("House", ["juliet", "nurse", "romeo"])
    assert set(await roster(await stage.bind("juliet"))) == {NURSE}
    assert "the group House has more than 2 members" in caplog.text


async def test_a_database_that_fails_keeps_nobody_out(stage, caplog):
    owner = await stage.domain.owners.load(NURSE)
    stage.database.error = DatabaseError("gone")
    await stage.domain.welcome(owner, Person("nurse", groups=("House",)))
    assert "the groups of nurse@localhost could not be read or kept" in caplog.text


# The site is asked


class Says:
    """A site that tells groups, and counts what it is asked."""

    def __init__(self, **groups):
        self.groups = groups
        self.asked = []

    async def __call__(self, name):
        self.asked.append(name)
        return [
            (group, members)
            for group, members in self.groups.items()
            if name in map(str.lower, members)
        ]


async def serving(says, **config):
    stage = Stage(site=Site(groups=says, timeout=0.05), **config)
    stage.add_account("nurse")
    await settle()
    return stage


async def test_the_site_is_asked_at_sign_in(stage):
    says = Says(House=["juliet", "Nurse", "nobody", "no one"], Other=["romeo"])
    stage = await serving(says)
    juliet = await stage.bind("juliet")
    assert await roster(juliet) == {NURSE: (None, BOTH, ["House"])}
    assert says.asked == ["juliet"]
    await stage.bind("juliet")
    assert says.asked == ["juliet"]
    assert await roster(await stage.bind("nurse")) == {JULIET: (None, BOTH, ["House"])}
    await stage.domain.stop()


async def test_the_latest_word_on_a_group_counts(stage):
    says = Says(House=["juliet", "nurse"])
    stage = await serving(says, permission_lifetime=0.0)
    juliet = await stage.bind("juliet")
    await juliet.ask(get())
    says.groups["House"].append("romeo")
    await stage.bind("romeo")
    (push,) = pushes(juliet.take())
    assert read(push) == {ROMEO: (None, BOTH, ["House"])}
    says.groups.clear()
    await stage.bind("romeo")
    (push,) = pushes(juliet.take())
    assert read(push) == {ROMEO: (None, "remove", [])}
    await stage.domain.stop()


async def test_one_who_has_no_account_yet_appears_with_it():
    says = Says(House=["juliet", "paris"])
    stage = await serving(says)
    juliet = await stage.bind("juliet")
    assert await roster(juliet) == {}
    stage.add_account("paris")
    await stage.bind("paris")
    (push,) = pushes(juliet.take())
    assert read(push) == {"paris@localhost": (None, BOTH, ["House"])}
    await stage.domain.stop()


async def test_the_site_is_asked_anew_when_it_says_so():
    says = Says(House=["juliet"])
    stage = await serving(says)
    juliet = await stage.bind("juliet")
    await juliet.ask(get())
    says.groups["House"].append("nurse")
    stage.domain.groups.forget("juliet")
    await settle()
    assert len(pushes(juliet.take())) == 1
    says.groups["House"].append("romeo")
    stage.domain.groups.forget()
    await settle()
    assert len(pushes(juliet.take())) == 1
    await stage.domain.stop()


async def _fails(_name):
    raise LookupError("secret")


async def _hangs(_name):
    await asyncio.Event().wait()


def _returns(answer):
    async def groups(_name):
        return answer

    return groups


@pytest.mark.parametrize(
    ("says", "complaint"),
    [
        (_fails, "groups= failed"),
        (_hangs, "groups= took longer than 0.05 s (site_timeout)"),
        (_returns(None), "groups= failed"),
        (_returns([("House", "juliet")]), "groups= failed"),
        (_returns([(7, ["juliet"])]), "groups= failed"),
        (_returns([("House", [7])]), "groups= failed"),
        (_returns(["House"]), "groups= failed"),
    ],
)
async def test_a_site_that_fails_or_hangs_keeps_nobody_out(says, complaint, caplog):
    stage = await serving(says)
    client = stage.connect()
    client.open()
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='TEST' name='juliet'/>")
    await until(lambda: not client.link.negotiating)
    assert complaint in caplog.text
    assert roster_of(client.link.owner).groups == ()
    await stage.domain.stop()


async def test_what_the_site_said_stays_when_it_fails():
    says = Says(House=["juliet", "nurse"])
    stage = await serving(says, permission_lifetime=0.0)
    juliet = await stage.bind("juliet")
    says.groups = None
    await stage.bind("juliet")
    assert set(await roster(juliet)) == {NURSE}
    await stage.domain.stop()
