"""Result Set Management (XEP-0059)."""

from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slixmpp.plugins.xep_0059 import Set
from slixmpp.xmlstream import ET

from andiron.xmpp.errors import StanzaError
from andiron.xmpp.rsm import PageRequest, read_set, slice_of, write_set


def asked(inner: str) -> PageRequest:
    return read_set(
        fromstring(f"<query><set xmlns='http://jabber.org/protocol/rsm'>{inner}</set></query>")
    )


@pytest.mark.parametrize(
    ("inner", "request_"),
    [
        ("", PageRequest()),
        ("<max>10</max>", PageRequest(max=10)),
        ("<max> 0 </max>", PageRequest(max=0)),
        ("<max>10</max><after>a b</after>", PageRequest(max=10, after="a b")),
        ("<before/>", PageRequest(before="")),
        ("<before>x</before><max>1</max>", PageRequest(max=1, before="x")),
        ("<index>371</index>", PageRequest(index=371)),
        ("<other/>", PageRequest()),
    ],
)
def test_what_is_asked(inner: str, request_: PageRequest):
    assert asked(inner) == request_


def test_no_set_limits_nothing():
    assert read_set(fromstring("<query/>")) == PageRequest()


@pytest.mark.parametrize(
    "inner",
    [
        "<max/>",
        "<max>-1</max>",
        "<max>1.5</max>",
        "<max>\u0663</max>",
        "<max>9999999999</max>",
        "<index>first</index>",
        "<after>a</after><before>b</before>",
        "<after>a</after><index>0</index>",
        "<before/><index>0</index>",
    ],
)
def test_what_makes_no_sense(inner: str):
    with pytest.raises(StanzaError) as caught:
        asked(inner)
    assert caught.value.condition == "bad-request"


@pytest.mark.parametrize(
    ("wish", "size"), [(None, 50), (0, 0), (1, 1), (70, 70), (100, 100), (101, 100)]
)
def test_how_many_items_a_page_has(wish: int | None, size: int):
    assert PageRequest(max=wish).size(50, 100) == size


def test_slixmpp_understands_each_other_with_us():
    built = Set()
    built["max"] = "7"
    built["after"] = "<peter&paul>"
    query = ET.Element("query")
    query.append(built.xml)
    assert read_set(query) == PageRequest(max=7, after="<peter&paul>")

    read = Set(xml=fromstring(write_set("a&b", "c'd", count=800, index=10)))
    assert (read["first"], read["first_index"], read["last"], read["count"]) == (
        "a&b",
        "10",
        "c'd",
        "800",
    )


def test_an_empty_page_names_no_items():
    assert write_set() == "<set xmlns='http://jabber.org/protocol/rsm'/>"
    assert (
        write_set(count=0) == "<set xmlns='http://jabber.org/protocol/rsm'><count>0</count></set>"
    )


NAMES = st.lists(st.text("abcdef", min_size=1, max_size=3), unique=True, max_size=20)


@given(NAMES, st.integers(1, 7))
def test_walking_forwards_shows_each_once(names: list[str], size: int):
    seen: list[str] = []
    request = PageRequest(max=size)
    while (page := slice_of(names, request, 5, 6)).start < page.stop:
        items = names[page.start : page.stop]
        described = read_set_of(page.xml)
        assert described == (items[0], str(page.start), items[-1], str(len(names)))
        assert len(items) <= min(size, 6)
        seen += items
        request = PageRequest(max=size, after=items[-1])
    assert seen == names


@given(NAMES, st.integers(1, 7))
def test_walking_backwards_shows_each_once(names: list[str], size: int):
    seen: list[str] = []
    request = PageRequest(max=size, before="")
    while (page := slice_of(names, request, 5, 6)).start < page.stop:
        seen = names[page.start : page.stop] + seen
        request = PageRequest(max=size, before=names[page.start])
    assert seen == names


@pytest.mark.parametrize(
    ("request_", "start", "stop"),
    [
        (PageRequest(), 0, 2),
        (PageRequest(index=1), 1, 3),
        (PageRequest(index=3), 3, 4),
        (PageRequest(index=4), 4, 4),
        (PageRequest(max=0), 0, 0),
        (PageRequest(after="d"), 4, 4),
        (PageRequest(before="a"), 0, 0),
        (PageRequest(after=""), 0, 2),
    ],
)
def test_where_a_page_lies(request_: PageRequest, start: int, stop: int):
    page = slice_of("abcd", request_, 2, 10)
    assert (page.start, page.stop) == (start, stop)
    assert "<count>4</count>" in page.xml


@pytest.mark.parametrize(
    "request_", [PageRequest(after="x"), PageRequest(before="x"), PageRequest(index=5)]
)
def test_a_place_that_is_not_there(request_: PageRequest):
    with pytest.raises(StanzaError) as caught:
        slice_of("abcd", request_, 2, 10)
    assert caught.value.condition == "item-not-found"


def read_set_of(xml: str) -> tuple[str, str, str, str]:
    read = Set(xml=fromstring(xml))
    return read["first"], read["first_index"], read["last"], read["count"]
