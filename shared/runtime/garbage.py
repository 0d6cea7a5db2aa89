"""Python's cyclic garbage collector, set for a process that runs for days."""

import gc

_ALLOCATIONS = 10_000
"""How many more objects there may be before a collection; Python's default is 700."""


def relax_garbage_collection() -> None:
    """Collect more rarely, and never again look at what the process has loaded by now.

    Call it once everything is loaded. With Python's defaults a busy worker spent a quarter of its
    CPU on looking through its modules and the messages in flight, over and over, and a full
    collection stopped the loop for 40 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, *gc.get_threshold()[1:])
