"""Which of its two kinds of branches and loops TF 1.15 builds: of Switch and Merge, or of functions.

    tf.cond, tf.while_loop, TensorArray      Switch, Merge, Enter, Exit, ...; arrays behind handles     (the default)
    after tf.enable_control_flow_v2()        If, While, whose parts are functions; arrays are lists of tensors

The environment variable `TF_ENABLE_CONTROL_FLOW_V2=1` switches it on from the start, as in TF.

Inside of such a part everything is of the second kind, whatever is switched on. Both compute the same.
"""

from __future__ import annotations

import os

from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph

_by_functions = [os.environ.get("TF_ENABLE_CONTROL_FLOW_V2", "0") != "0"]


@public("enable_control_flow_v2")
def enable_control_flow_v2() -> None:
    """Build `If` and `While` ops, whose parts are functions, from now on.

    >>> tf.enable_control_flow_v2()
    >>> tf.cond(tf.constant(True), lambda: tf.constant(1), lambda: tf.constant(2)).op.inputs[0].op.type
    'StatelessIf'
    >>> tf.disable_control_flow_v2()
    """
    _by_functions[0] = True


@public("disable_control_flow_v2")
def disable_control_flow_v2() -> None:
    """Build branches and loops of Switch and Merge ops from now on, as is the default."""
    _by_functions[0] = False


@public("control_flow_v2_enabled")
def control_flow_v2_enabled() -> bool:
    """Whether branches and loops built now have functions as parts."""
    return _by_functions[0] or get_default_graph()._builds_by_functions
