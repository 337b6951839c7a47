"""`tf.train.warm_start`: variables that begin with the values of another model's checkpoint."""

from __future__ import annotations

from typing import Any, NamedTuple

from evergraph.framework import convert, errors, log
from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys
from evergraph.ops import state
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.variable_store import PartitionInfo
from evergraph.ops.variables import Variable
from evergraph.training.checkpoint_utils import checkpoint_in, init_from_checkpoint
from evergraph.training.object_names import object_graph_key_mapping
from evergraph.training.saveable import op_list_to_dict
from evergraph.training.vocabulary_remapping import load_and_remap_matrix_initializer


class _VocabInfo(NamedTuple):
    new_vocab: Any
    new_vocab_size: int
    num_oov_buckets: int
    old_vocab: Any
    old_vocab_size: int = -1
    backup_initializer: Any = None
    axis: int = 0


@public("train.VocabInfo")
class VocabInfo(_VocabInfo):
    """Which words the rows or columns of a variable stand for, now and in the checkpoint.

    Args:
        new_vocab: a file with a word a line.
        new_vocab_size: how many of them count.
        num_oov_buckets: how many rows are for words not among them.
        old_vocab: the file that belongs to the checkpoint.
        old_vocab_size: how many of its words count, all with -1.
        backup_initializer: gives values for words that are new; zeros by default.
        axis: 0 for rows, 1 for columns.

    Raises:
        ValueError: for another axis.
    """

    __slots__ = ()

    def __new__(
        cls,
        new_vocab: Any,
        new_vocab_size: int,
        num_oov_buckets: int,
        old_vocab: Any,
        old_vocab_size: int = -1,
        backup_initializer: Any = None,
        axis: int = 0,
    ) -> VocabInfo:
        if axis not in (0, 1):
            raise ValueError(f"The only supported values for the axis argument are 0 and 1.  Provided axis: {axis}")
        return super().__new__(
            cls, new_vocab, new_vocab_size, num_oov_buckets, old_vocab, old_vocab_size, backup_initializer, axis
        )


def _is_variable(value: Any) -> bool:
    return isinstance(value, Variable)


def infer_var_name(variables: list[Any]) -> str:
    """The name under which variables, parts of one, are saved."""
    named = op_list_to_dict(variables)
    if len(named) > 1:
        raise TypeError(f"`var` = {variables} passed as arg violates the constraints.  name_to_var_dict = {named}")
    return next(iter(named))


def _parts(var: Any) -> list[Any]:
    if _is_variable(var):
        return [var]
    if isinstance(var, list) and all(_is_variable(v) for v in var):
        return var
    if isinstance(var, PartitionedVariable):
        return var._get_variable_list()
    raise TypeError(
        f"var MUST be one of the following: a Variable, list of Variable or PartitionedVariable, but is {type(var)}"
    )


def get_var_info(var: Any, prev_tensor_name: str | None = None) -> tuple[str, Any]:
    """The name of a variable in the checkpoint, and the variable or the list of its parts."""
    parts = _parts(var)
    name = infer_var_name([var]) if isinstance(var, PartitionedVariable) else infer_var_name(parts)
    return prev_tensor_name or name, var if _is_variable(var) else parts


def warm_start_var_with_vocab(
    var: Any,
    current_vocab_path: Any,
    current_vocab_size: int,
    prev_ckpt: Any,
    prev_vocab_path: Any,
    previous_vocab_size: int = -1,
    current_oov_buckets: int = 0,
    prev_tensor_name: str | None = None,
    initializer: Any = None,
    axis: int = 0,
) -> None:
    """Make the initializer of a variable load a matrix in the order of its vocabulary."""
    if not (current_vocab_path and current_vocab_size and prev_ckpt and prev_vocab_path):
        raise ValueError(
            "Invalid args: Must provide all of [current_vocab_path, current_vocab_size, prev_ckpt, prev_vocab_path}."
        )
    parts = _parts(var)
    prev_tensor_name = prev_tensor_name or infer_var_name(parts)
    if axis not in (0, 1):
        raise ValueError(f"The only supported values for the axis argument are 0 and 1.  Provided axis: {axis}")
    rows = sum(v.get_shape().as_list()[0] for v in parts)
    for v in parts:
        shape = v.get_shape().as_list()
        info = v._get_save_slice_info()
        partition = PartitionInfo(full_shape=info.full_shape, var_offset=info.var_offset) if info else None
        by_rows = axis == 0
        load = load_and_remap_matrix_initializer(
            ckpt_path=checkpoint_in(prev_ckpt),
            old_tensor_name=prev_tensor_name,
            new_row_vocab_size=current_vocab_size if by_rows else rows,
            new_col_vocab_size=shape[1] if by_rows else current_vocab_size,
            old_row_vocab_size=previous_vocab_size if by_rows else -1,
            old_row_vocab_file=prev_vocab_path if by_rows else None,
            new_row_vocab_file=current_vocab_path if by_rows else None,
            old_col_vocab_file=None if by_rows else prev_vocab_path,
            new_col_vocab_file=None if by_rows else current_vocab_path,
            num_row_oov_buckets=current_oov_buckets if by_rows else 0,
            num_col_oov_buckets=0 if by_rows else current_oov_buckets,
            initializer=initializer,
        )
        v._initializer_op = state.assign(v, convert.convert_to_tensor(load(shape=shape, partition_info=partition)))


def _grouped(vars_to_warm_start: Any) -> dict[str, list[Any]]:
    """The variables to warm-start, by the names under which they are saved."""
    graph = get_default_graph()
    found: list[Any]
    if vars_to_warm_start is None or isinstance(vars_to_warm_start, str):
        log.info("Warm-starting variables only in TRAINABLE_VARIABLES.")
        found = graph.get_collection(GraphKeys.TRAINABLE_VARIABLES, scope=vars_to_warm_start)
    elif isinstance(vars_to_warm_start, list):
        if all(isinstance(v, str) for v in vars_to_warm_start):
            found = [v for s in vars_to_warm_start for v in graph.get_collection(GraphKeys.GLOBAL_VARIABLES, scope=s)]
        elif all(_is_variable(v) for v in vars_to_warm_start):
            found = vars_to_warm_start
        else:
            raise ValueError(
                "If `vars_to_warm_start` is a list, it must be all `Variable` or all `str`.  Given types are "
                f"{[type(v) for v in vars_to_warm_start]}"
            )
    else:
        raise ValueError(f"`vars_to_warm_start must be a `list` or `str`.  Given type is {type(vars_to_warm_start)}")
    grouped: dict[str, list[Any]] = {}
    for v in found:
        grouped.setdefault(infer_var_name(v if isinstance(v, list) else [v]), []).append(v)
    return grouped


def _object_renames(checkpoint: Any, names: Any) -> dict[str, str]:
    try:
        keys = object_graph_key_mapping(checkpoint_in(checkpoint) or "")
    except errors.NotFoundError:
        return {}
    missing = set(names) - set(keys)
    if missing:
        raise ValueError(
            "Attempting to warm-start from an object-based checkpoint, but found that the checkpoint did not contain "
            f"values for all variables. The following variables were missing: {missing}"
        )
    return {name: keys[name] for name in names}


@public("train.warm_start")
def warm_start(
    ckpt_to_initialize_from: Any,
    vars_to_warm_start: Any = ".*",
    var_name_to_vocab_info: dict[str, VocabInfo] | None = None,
    var_name_to_prev_var_name: dict[str, str] | None = None,
) -> None:
    """Make the initializers of variables read a checkpoint.

    Args:
        ckpt_to_initialize_from: a checkpoint, or a directory: its newest one.
        vars_to_warm_start: a regular expression for names of trainable variables, a list of such for all variables, a
            list of variables, or None for only those of the next argument.
        var_name_to_vocab_info: variables whose rows or columns stand for words, with `VocabInfo` of each.
        var_name_to_prev_var_name: variables that have another name in the checkpoint, with that.

    Raises:
        ValueError: if a name that is given is not used, or the checkpoint lacks a variable.
    """
    log.info("Warm-starting from: %s", ckpt_to_initialize_from)
    grouped = _grouped(vars_to_warm_start)
    vocabularies = dict(var_name_to_vocab_info or {})
    renames = var_name_to_prev_var_name or _object_renames(ckpt_to_initialize_from, grouped)
    plain: dict[str, Any] = {}
    count = 0
    for name, variable in grouped.items():
        before = renames.get(name)
        vocabulary = vocabularies.get(name)
        if vocabulary:
            count += 1
            warm_start_var_with_vocab(
                variable,
                current_vocab_path=vocabulary.new_vocab,
                current_vocab_size=vocabulary.new_vocab_size,
                prev_ckpt=ckpt_to_initialize_from,
                prev_vocab_path=vocabulary.old_vocab,
                previous_vocab_size=vocabulary.old_vocab_size,
                current_oov_buckets=vocabulary.num_oov_buckets,
                prev_tensor_name=before,
                initializer=vocabulary.backup_initializer,
                axis=vocabulary.axis,
            )
        elif vars_to_warm_start:
            count += 1
            saved, var = get_var_info(variable[0] if len(variable) == 1 else variable, before)
            plain[saved] = var
    init_from_checkpoint(ckpt_to_initialize_from, plain)
    log.info("Warm-started %d variables.", count)
    for argument, unused in (
        ("var_name_to_prev_var_name", set(renames) - set(grouped)),
        ("var_name_to_vocab_info", set(vocabularies) - set(grouped)),
    ):
        if unused:
            raise ValueError(
                f"You provided the following variables in {argument} that were not used: {unused}.  Perhaps you "
                f"misspelled them?  Here is the list of viable variable names: {list(grouped)}"
            )
