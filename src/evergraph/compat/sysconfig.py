"""`tf.sysconfig`: there are no C++ headers or libraries to compile custom ops against."""

from __future__ import annotations

import os
from typing import NoReturn

from evergraph.framework.api import public, publish

publish("sysconfig.CXX11_ABI_FLAG", 1)
publish("sysconfig.MONOLITHIC_BUILD", 0)

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@public("sysconfig.get_lib")
def get_lib() -> str:
    """The directory of the package."""
    return _PACKAGE


def _none(name: str, what: str) -> None:
    def get() -> NoReturn:
        raise NotImplementedError(f"tf.sysconfig.{name}: Evergraph has no {what}; ops written in C++ cannot be loaded")

    get.__name__ = get.__qualname__ = name
    get.__doc__ = f"Refuse: there are no {what}."
    publish(f"sysconfig.{name}", get)


_none("get_include", "C++ headers")
_none("get_compile_flags", "C++ headers")
_none("get_link_flags", "C++ libraries")
