"""Redis, or Valkey, as what ties processes together: who of them is home, and its journal.

The home holds a lease (``lease.py``, with ``belief.py`` as its core), and says in it where it
listens (``place.py``, ``proof.py``). Its journal is a list of the same lines as in a file
(``journal.py``, ``segment.py``, ``store.py`` without I/O; ``pipe.py``, ``opening.py``, and
``journaling.py`` that puts them together). ``scripts.py`` is all that Redis runs; whatever is there
has an expiry. What becomes of it where

- the home is killed: the lease ends ``ttl`` seconds after its last renewal at the latest. What was
  promised is in the journal.
- the home stands still, or cannot reach Redis: it has let go ``margin`` seconds before that. Until
  then nothing new is promised or goes out, and what is still on its way is refused.
- Redis cannot be reached for less than that: batches wait, and are sent again where necessary.
- Redis starts again, with what it had or with nothing: the same. In the latter case the home writes
  its live state anew, and gets the lease again, which nobody else does for ``ttl`` seconds; where
  the home ends just then its sessions are lost.
- a replica takes the master's place that lacks the last of what that was told: the home writes its
  live state anew. If it was the taking of the lease there may be two homes for ``ttl`` seconds, of
  which one can write the journal. So it is where somebody deletes the lease by hand.
"""
