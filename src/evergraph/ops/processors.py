"""How many processors this process may use."""

import os


def processors() -> int:
    """The number of processors that the process is bound to; where that is not known, of all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
