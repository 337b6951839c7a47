"""The cases whose outcome must be TensorFlow 1.15's: `CASES`, by name.

Each is a function of the module that stands for `tensorflow`; it runs in a new default graph and returns what JSON can
hold once `outcome.described` has named its types, or raises. They run on Python 3.7 too, where they were recorded.
"""

import inspect

from session import (
    cases_errors,
    cases_feeds,
    cases_fetches,
    cases_loops,
    cases_pipelines,
    cases_queues,
    cases_random,
    cases_run_errors,
    cases_sessions,
    cases_state,
    cases_tables,
    cases_training,
)

_MODULES = (
    cases_fetches,
    cases_feeds,
    cases_sessions,
    cases_state,
    cases_loops,
    cases_random,
    cases_training,
    cases_errors,
    cases_run_errors,
    cases_pipelines,
    cases_queues,
    cases_tables,
)

CASES = {
    f"{module.__name__.rsplit('cases_')[-1]}.{name}": case
    for module in _MODULES
    for name, case in vars(module).items()
    if inspect.isfunction(case) and case.__module__ == module.__name__ and not name.startswith("_")
}
