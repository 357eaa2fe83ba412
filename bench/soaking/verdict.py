"""Whether a soak went well."""

from collections.abc import Mapping

from soaking.crowd import Crowd


def verdict(crowd: Crowd, log: str, checks: Mapping[str, bool]) -> bool:
    """Print what went wrong, what held and what did not; return whether all did.

    ``checks`` are a soak's own, and ``log`` is what servers said that they should not.
    """
    for fault, times in crowd.faults.most_common(10):
        print(f"FAULT {times} x {fault}")
    if log:
        print(f"LOG\n{log[-4000:]}")
    held = {
        "everything came": crowd.arrived == crowd.owed,
        "once, in order, and nothing else went wrong": not crowd.faults,
        **checks,
        "the log is clean": not log,
    }
    for check, good in held.items():
        print("ok  " if good else "FAIL", check)
    return all(held.values())
