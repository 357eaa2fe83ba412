"""Who may wait, and how much."""

from andiron.fellows.waiting_room import WaitingRoom


def test_it_has_room_for_so_much_in_all_and_of_each():
    room = WaitingRoom(100, 30)
    assert room.enter("a", 20)
    assert not room.enter("a", 11)
    assert room.enter("a", 10)
    assert room.enter("b", 30)
    assert room.enter("c", 30)
    assert not room.enter("d", 11)
    assert room.taken == 90
    room.leave("a", 20)
    assert room.enter("d", 11)
    room.leave("a", 10)
    assert room.enter("a", 19)
    assert room.taken == 90


def test_who_cannot_be_told_apart_shares_what_there_is():
    room = WaitingRoom(100, 30)
    assert all(room.enter("", 20) for _ in range(5))
    assert not room.enter("", 1)
    room.leave("", 20)
    assert room.enter("a", 20)


def test_of_who_has_left_nothing_is_kept():
    room = WaitingRoom(100, 30)
    for name in ("a", "b"):
        assert not room.enter(name, 31)
        assert room.enter(name, 30)
        room.leave(name, 30)
    assert not room._by_network
    assert not room.taken
