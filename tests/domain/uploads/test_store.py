"""Files on disk: whole or not at all, for their owner only, and swept when they are nobody's."""

import asyncio
import os
import stat

import pytest

from andiron.domain.uploads.store import DiskStore

FOLDER, NAME = "f" * 32, "a" * 64


@pytest.fixture
def store(tmp_path):
    return DiskStore(tmp_path / "uploads")


async def put(store, data=b"data", folder=FOLDER, name=NAME):
    incoming = await store.create(folder, name)
    await incoming.write(data)
    await incoming.commit()


async def content(store, start=0, stop=4, name=NAME):
    return b"".join([piece async for piece in store.read(FOLDER, name, start, stop)])


def files(tmp_path):
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())


async def test_a_file_is_there_once_it_is_whole(store, tmp_path):
    incoming = await store.create(FOLDER, NAME)
    await incoming.write(b"da")
    with pytest.raises(FileNotFoundError):
        await content(store)
    await incoming.write(b"ta")
    await incoming.commit()
    incoming.discard()
    assert await content(store) == b"data"
    assert files(tmp_path) == [f"uploads/{FOLDER}/{NAME}"]


async def test_nothing_is_left_of_one_that_is_discarded(store, tmp_path):
    incoming = await store.create(FOLDER, NAME)
    await incoming.write(b"da")
    incoming.discard()
    incoming.discard()
    assert files(tmp_path) == []


async def test_a_write_that_comes_late_writes_nothing(store, tmp_path):
    incoming = await store.create(FOLDER, NAME)
    incoming.discard()
    await incoming.write(b"late")
    assert files(tmp_path) == []


async def test_files_and_folders_are_for_their_owner_only(store, tmp_path):
    umask = os.umask(0)
    try:
        await put(store)
    finally:
        os.umask(umask)
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {True: 0o700, False: 0o600}


@pytest.mark.parametrize(
    ("start", "stop", "data"), [(0, 4, b"data"), (1, 3, b"at"), (3, 4, b"a"), (2, 2, b"")]
)
async def test_parts_of_a_file(store, start, stop, data):
    await put(store)
    assert await content(store, start, stop) == data


async def test_a_large_file_comes_in_pieces(store):
    await put(store, bytes(1_000_000))
    pieces = [len(piece) async for piece in store.read(FOLDER, NAME, 0, 1_000_000)]
    assert sum(pieces) == 1_000_000
    assert max(pieces) <= 262_144


async def test_a_file_that_became_shorter_does_not_end_as_if_whole(store):
    await put(store)
    with pytest.raises(EOFError):
        await content(store, 0, 5)


async def test_removal(store, tmp_path):
    await put(store)
    await put(store, name="b" * 64)
    await store.remove(FOLDER, NAME)
    await store.remove(FOLDER, NAME)
    assert files(tmp_path) == [f"uploads/{FOLDER}/{'b' * 64}"]
    await store.remove_folder(FOLDER)
    await store.remove_folder(FOLDER)
    assert files(tmp_path) == []


async def test_what_is_older(store, tmp_path):
    assert [found async for found in store.older(1e12)] == []
    await put(store)
    await put(store, name="b" * 64)
    (tmp_path / "uploads" / ("e" * 32)).mkdir()
    unfinished = [await store.create(FOLDER, NAME) for _ in range(2)]
    coming = sorted((tmp_path / "uploads" / "incoming").iterdir())
    old = [tmp_path / "uploads" / FOLDER / NAME, coming[0], tmp_path / "uploads" / ("e" * 32)]
    for path in old:
        os.utime(path, (1000, 1000))
    assert [found async for found in store.older(1000)] == []
    assert [found async for found in store.older(1001)] == [(FOLDER, [NAME])]
    assert [path.exists() for path in [*old, coming[1]]] == [True, False, False, True]
    for incoming in unfinished:
        incoming.discard()


async def test_a_folder_that_was_swept_is_made_again(store, tmp_path):
    incoming = await store.create(FOLDER, NAME)
    await incoming.write(b"data")
    assert [found async for found in store.older(1e12)] == []
    with pytest.raises(FileNotFoundError):
        await incoming.commit()
    await put(store)
    await store.remove(FOLDER, NAME)
    os.utime(tmp_path / "uploads" / FOLDER, (1000, 1000))
    incoming = await store.create(FOLDER, NAME)
    assert [found async for found in store.older(1001)] == []
    assert not (tmp_path / "uploads" / FOLDER).exists()
    await incoming.write(b"data")
    await incoming.commit()
    assert await content(store) == b"data"


async def test_a_cancelled_write_does_not_reach_a_closed_file(store, tmp_path):
    incoming = await store.create(FOLDER, NAME)
    task = asyncio.create_task(incoming.write(bytes(50_000_000)))
    await asyncio.sleep(0)
    task.cancel()
    incoming.discard()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == []


async def test_storing_where_it_cannot_be_is_an_error(tmp_path):
    (tmp_path / "uploads").touch()
    with pytest.raises(OSError, match="uploads"):
        await DiskStore(tmp_path / "uploads").create(FOLDER, NAME)


def test_where_files_can_be_stored(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    assert DiskStore(tmp_path / "new").problem() == ""
    assert DiskStore(tmp_path).problem() == ""
    assert "is not a directory" in DiskStore(tmp_path / "no" / "new").problem()
    assert "is not a directory" in DiskStore(tmp_path / "file").problem()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "cannot be written" in DiskStore(tmp_path).problem()
    monkeypatch.chdir(tmp_path)
    assert "cannot be written" in DiskStore("new").problem()
