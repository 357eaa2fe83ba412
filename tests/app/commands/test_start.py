import gc

from andiron.commands import cli, start


def test_garbage_is_looked_for_once_all_is_imported(monkeypatch):
    looked_for = []
    monkeypatch.setattr(cli, "main", lambda: looked_for.append(gc.isenabled()))
    start.main()
    assert looked_for == [True]
