"""The programs whose graphs must be TensorFlow 1.15's, op by op: `PROGRAMS`, by name.

Each is a function of the module that stands for `tensorflow` and builds what its name says in the default graph. They
are written as users wrote them, from one call to whole models, and run on Python 3.7 too, where they were recorded.
A statement that looks useless, `x + 1`, adds its ops to the graph: that is all these programs are for.
"""

import inspect

from graph_identity import (
    programs_arrays,
    programs_contrib,
    programs_control_flow,
    programs_functional,
    programs_gradients,
    programs_graphs,
    programs_images,
    programs_layers,
    programs_math,
    programs_networks,
    programs_pipelines,
    programs_records,
    programs_rnn,
    programs_saving,
    programs_sequences,
    programs_training,
    programs_variables,
)

_MODULES = (
    programs_graphs,
    programs_arrays,
    programs_math,
    programs_variables,
    programs_networks,
    programs_images,
    programs_gradients,
    programs_control_flow,
    programs_functional,
    programs_training,
    programs_layers,
    programs_rnn,
    programs_contrib,
    programs_sequences,
    programs_pipelines,
    programs_saving,
    programs_records,
)

PROGRAMS = {
    name: program
    for module in _MODULES
    for name, program in vars(module).items()
    if inspect.isfunction(program) and not name.startswith("_")
}
