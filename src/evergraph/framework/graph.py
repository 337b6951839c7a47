"""A `Graph` defines computation. It computes nothing and holds no value.

It is a list of operations in creation order, their names, named collections of whatever a program wants to find
again, and the scopes (name, device, control dependencies, colocation, gradient overrides) that the ops created
inside a `with` block take part in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from evergraph.framework import devices, opdefs, stacks
from evergraph.framework import frames as _frames
from evergraph.framework.codec import codec
from evergraph.framework.dtypes import DType
from evergraph.framework.graph_scopes import ControlDependencies, ScopesOfThread, remove_last
from evergraph.framework.opdefs import OpDef
from evergraph.framework.operation import NAME, SCOPE_NAME, Operation
from evergraph.framework.tensor import Tensor

SEED_OF_UNSEEDED_GRAPH = 87654321
GRAPH_DEF_VERSION = 134  # of TF 1.15


class Graph:
    """Operations and the tensors between them: what a `Session` can be asked to run."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ops: list[Operation] = []
        self._by_name: dict[str, Operation] = {}
        self._names_in_use: dict[str, int] = {}
        self._of_thread = ScopesOfThread()
        self._version = 0
        self._edits = 0
        self._finalized = False
        self._seed: int | None = None
        self._collections: dict[Any, list[Any]] = {}
        self._device_stack: list[Callable[[Operation], str] | None] = []
        self._colocation_stack: list[Operation | None] = []
        self._control_stack: list[ControlDependencies] = []
        self._attr_scope_map: dict[str, Any] = {}
        self._kernel_labels: dict[str, str] = {}
        self._gradient_override: dict[str, str] = {}
        self._control_flow_context: Any = None
        self._op_added: Callable[[Operation], None] | None = None  # set once the graph has a branch or a loop
        self._container = ""
        self._unfeedable: set[Tensor] = set()
        self._unfetchable: set[Operation] = set()
        self._functions: dict[str, Any] = {}
        self._building_function = False
        self._builds_by_functions = False  # whether `cond` and `while_loop` make If and While ops
        self._producer = GRAPH_DEF_VERSION
        self._min_consumer = 0
        self._attachments: dict[str, Any] = {}  # what higher layers remember of this graph, by their own key

    @property
    def _name_stack(self) -> str:
        return self._of_thread.name_stack

    @_name_stack.setter
    def _name_stack(self, scope: str) -> None:
        self._of_thread.name_stack = scope

    @property
    def _default_original_op(self) -> Operation | None:
        return self._of_thread.original_op

    # What is in it

    @property
    def version(self) -> int:
        """How many ops there are; grows with every op created."""
        return self._version

    @property
    def _last_id(self) -> int:
        return self._version

    @property
    def revision(self) -> tuple[int, int]:
        """Changes whenever the graph does, edits of existing ops included. Plans are cached under it."""
        return self._version, self._edits

    def _changed(self) -> None:
        self._edits += 1

    @property
    def seed(self) -> int | None:
        """The graph-level random seed."""
        return self._seed

    @seed.setter
    def seed(self, seed: int | None) -> None:
        self._seed = seed

    @property
    def graph_def_versions(self) -> Any:
        return codec().graph_def(self, self._version + 1, False).versions

    def get_operations(self) -> list[Operation]:
        """All operations, in creation order."""
        return list(self._ops)

    def get_operation_by_name(self, name: str) -> Operation:
        """The operation called `name`.

        Raises:
            KeyError: if there is none; it names the nearest ones.
        """
        if not isinstance(name, str):
            raise TypeError(f"Operation names are strings (or similar), not {type(name).__name__}.")
        return self.as_graph_element(name, allow_tensor=False)

    def get_tensor_by_name(self, name: str) -> Tensor:
        """The tensor called `name`, as in `"dense/MatMul:0"`.

        Raises:
            KeyError: if there is none; it names the nearest ones.
            ValueError: if `name` is not of the form `op:index`.
        """
        if not isinstance(name, str):
            raise TypeError(f"Tensor names are strings (or similar), not {type(name).__name__}.")
        return self.as_graph_element(name, allow_operation=False)

    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Any:
        """The tensor or operation of this graph that `obj` is, names, or stands for."""
        if not (allow_tensor or allow_operation):
            raise ValueError("allow_tensor and allow_operation can't both be False.")
        kinds = " or ".join(k for k, on in (("Tensor", allow_tensor), ("Operation", allow_operation)) if on)
        converted = getattr(obj, "_as_graph_element", None)
        if callable(converted):
            element = converted()
            obj = obj if element is None else element
        if isinstance(obj, bytes):
            obj = obj.decode()
        if isinstance(obj, str):
            return self._element_by_name(obj, allow_tensor, allow_operation, kinds)
        if isinstance(obj, Tensor) and allow_tensor or isinstance(obj, Operation) and allow_operation:
            if obj.graph is not self:
                kind = "Tensor" if isinstance(obj, Tensor) else "Operation"
                raise ValueError(f"{kind} {obj!s} is not an element of this graph.")
            return obj
        raise TypeError(f"Can not convert a {type(obj).__name__} into a {kinds}.")

    def _element_by_name(self, name: str, allow_tensor: bool, allow_operation: bool, kinds: str) -> Any:
        if ":" in name and allow_tensor:
            op_name, _, index = name.rpartition(":")
            if not index.isdigit():
                raise ValueError(
                    f"The name {name!r} looks a like a Tensor name, but is not a valid one. Tensor names must be of "
                    'the form "<op_name>:<output_index>".'
                )
            op = self._by_name.get(op_name)
            if op is None:
                raise KeyError(
                    f"The name {name!r} refers to a Tensor which does not exist. The operation, {op_name!r}, does not "
                    f"exist in the graph.{self._near(op_name, ':0')}"
                )
            if int(index) >= len(op.outputs):
                raise KeyError(
                    f"The name {name!r} refers to a Tensor which does not exist. The operation, {op_name!r}, exists "
                    f"but only has {len(op.outputs)} outputs."
                )
            return op.outputs[int(index)]
        if ":" in name:
            raise ValueError(f"Name {name!r} appears to refer to a Tensor, not a Operation.")
        op = self._by_name.get(name)
        if allow_operation:
            if op is None:
                raise KeyError(f"The name {name!r} refers to an Operation not in the graph.{self._near(name)}")
            return op
        if op is not None:
            raise ValueError(
                f"The name {name!r} refers to an Operation, not a {kinds}. Tensor names must be of the form "
                f'"<op_name>:<output_index>": for its first output, "{name}:0".'
            )
        raise ValueError(
            f"The name {name!r} looks like an (invalid) Operation name, not a {kinds}. Tensor names must be of the "
            f'form "<op_name>:<output_index>".{self._near(name)}'
        )

    def _near(self, name: str, suffix: str = "") -> str:
        near = get_close_matches(name, self._by_name, 3, 0.6)
        near += [n for n in self._by_name if n.endswith("/" + name) and n not in near][:2]
        return f" There are {', '.join(repr(n + suffix) for n in near)}." if near else ""

    def as_graph_def(self, from_version: int | None = None, add_shapes: bool = False) -> Any:
        """This graph as TF's `GraphDef` message."""
        return codec().graph_def(self, from_version, add_shapes)

    # Adding ops

    def create_op(
        self,
        op_type: str,
        inputs: Iterable[Tensor],
        dtypes: Iterable[DType] | None = None,
        input_types: Iterable[DType] | None = None,
        name: str | None = None,
        attrs: Mapping[str, Any] | None = None,
        op_def: Any = None,
        compute_shapes: bool = True,
        compute_device: bool = True,
    ) -> Operation:
        """Add an operation of type `op_type`; the functions of the API do this for you.

        `attrs` holds `AttrValue` messages or plain values. A `name` that ends in "/" is taken exactly.
        """
        opdef = opdefs.usable(op_type)
        if opdef is None:
            raise ValueError(
                f"Op type not registered {op_type!r}: neither TF 1.15 nor Evergraph has an op of that name."
            )
        plain = {}
        for key, value in (attrs or {}).items():
            plain[key] = codec().attr_from_proto(value) if hasattr(value, "WhichOneof") else value
        checked = []
        for i, t in enumerate(inputs):
            if not isinstance(t, Tensor):
                raise TypeError(f"Input #{i} is not a tensor: {t}")
            checked.append(t)
        if opdef.plain:  # the types of the inputs say what their attributes are
            for arg, t in zip(opdef.inputs, checked):
                if arg.type_attr:
                    plain.setdefault(arg.type_attr, t.dtype.base_dtype)
        return self.add_op(opdef, tuple(checked), plain, name)

    def add_op(
        self,
        opdef: OpDef,
        inputs: tuple[Tensor, ...],
        attrs: dict[str, Any],
        name: str | None = None,
        frame_depth: int = 2,
    ) -> Operation:
        """Add an op whose inputs and attributes are complete and checked; every op is made here."""
        if self._finalized:
            raise RuntimeError(
                f"Graph is finalized and cannot be modified: no {opdef.name} op can be added"
                + (f" under the name {name!r}." if name else ".")
                + " Build everything before the session or training loop that finalizes the graph starts."
            )
        for t in inputs:
            if t.op.graph is not self:
                raise ValueError(
                    f"{t.op.name}:{t.value_index} must be from the same graph as the new op: tensor {t!s} is of "
                    "another graph."
                )
        of_thread = self._of_thread
        with self._lock:
            if name is None:
                name = self.unique_name(opdef.name)
            elif name and name[-1] == "/":
                name = name[:-1]
                if name in self._by_name:
                    name = self.unique_name_at_root(name)
            else:
                if type(name) is bytes:
                    name = name.decode()
                if not name or not NAME.match(name):
                    if not name:
                        name = opdef.name
                    elif not of_thread.name_stack or not SCOPE_NAME.match(name):
                        raise ValueError(f"{name!r} is not a valid node name")
                name = self.unique_name(name)
            self._version = number = self._version + 1
            taken = of_thread.frames or _frames.user_frames(frame_depth)
            op = Operation(self, number, name, opdef, inputs, attrs, taken)
            if self._control_stack:
                self._take_control_inputs(op, inputs)
            for t in inputs:
                readers = t._readers
                if readers is None:
                    t._readers = [op]
                else:
                    readers.append(op)
            op._control_flow_context = self._control_flow_context
            op._original_op = of_thread.original_op
            if self._attr_scope_map or self._kernel_labels or self._gradient_override:
                self._apply_attr_scopes(op)
            for dependencies in self._control_stack:
                dependencies.add_op(op)
            if self._device_stack:
                self._apply_device_functions(op)
            if self._colocation_stack:
                self._apply_colocation(op)
            if self._container and opdef.is_stateful and "container" in opdef.attr_map and not attrs.get("container"):
                attrs["container"] = self._container.encode()
            try:
                finish_op[0](op)
            except Exception:
                # The op is not part of the graph after all: a refused shape leaves nothing behind.
                for t in inputs:
                    if t._readers and t._readers[-1] is op:
                        t._readers.pop()
                raise
            self._by_name[name] = op
            self._ops.append(op)
            if self._op_added is not None:
                self._op_added(op)
        return op

    def _take_control_inputs(self, op: Operation, inputs: tuple[Tensor, ...]) -> None:
        input_ops = {t.op for t in inputs}
        for dependencies in self._control_stack:
            if dependencies.seen.isdisjoint(input_ops):
                for c in dependencies.control_inputs:
                    if c not in input_ops and c not in op._control_inputs:
                        op._control_inputs.append(c)
                        op._note_as_reader(c)

    def _apply_attr_scopes(self, op: Operation) -> None:
        for key, value in self._attr_scope_map.items():
            if key not in op.attrs:
                made = value(op.node_def) if callable(value) else value
                if made:
                    op.attrs[key] = codec().attr_from_proto(made) if hasattr(made, "WhichOneof") else made
        if op.type in self._kernel_labels:
            op.attrs["_kernel"] = self._kernel_labels[op.type].encode()
        if op.type in self._gradient_override:
            op.attrs["_gradient_op_type"] = self._gradient_override[op.type].encode()

    def _apply_device_functions(self, op: Operation) -> None:
        for function in reversed(self._device_stack):
            if function is None:
                break
            device: Any = function(op)
            op._device = device.to_string() if isinstance(device, devices.DeviceSpec) else device or ""

    def _apply_colocation(self, op: Operation) -> None:
        seen = self._colocation_stack
        if None in seen:
            seen = seen[len(seen) - seen[::-1].index(None) :]
        groups: list[bytes] = []
        for other in seen:
            assert other is not None
            groups.extend(other.colocation_groups())
            if other.device:
                op._device = other.device
        if seen:
            op.attrs["_class"] = sorted(set(groups))

    def _check_not_finalized(self) -> None:
        if self._finalized:
            raise RuntimeError("Graph is finalized and cannot be modified.")

    def finalize(self) -> None:
        """Make this graph read-only: adding an op raises `RuntimeError` from now on."""
        self._finalized = True

    def _unsafe_unfinalize(self) -> None:
        self._finalized = False

    @property
    def finalized(self) -> bool:
        return self._finalized

    @property
    def building_function(self) -> bool:
        return self._building_function

    def _known_outside(self, t: Tensor) -> Tensor | None:
        """The tensor of a graph around this one that `t`, a placeholder, stands for."""
        return None

    def _is_function(self, name: str) -> bool:
        return name in self._functions

    def _get_function(self, name: str) -> Any:
        return self._functions.get(name)

    # Names

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """`name` inside the current name scope, with `_1`, `_2`, ... added if it is taken."""
        stack = self._of_thread.name_stack
        return self.unique_name_at_root(f"{stack}/{name}" if stack else name, mark_as_used)

    def unique_name_at_root(self, name: str, mark_as_used: bool = True) -> str:
        used = self._names_in_use
        key = name.lower()
        with self._lock:
            i = used.get(key, 0)
            if mark_as_used:
                used[key] = i + 1
            if i == 0:
                return name
            candidate = key
            while candidate in used:
                candidate = f"{key}_{i}"
                i += 1
            if mark_as_used:
                used[candidate] = 1
            return f"{name}_{i - 1}"

    @contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Names made inside start with `name`. A trailing "/" re-enters a scope; None or "" leaves all scopes."""
        of_thread = self._of_thread
        old = of_thread.name_stack
        if name:
            if isinstance(name, bytes):
                name = name.decode()
            pattern = SCOPE_NAME if old else NAME
            if not pattern.match(name):
                raise ValueError(f"{name!r} is not a valid scope name")
        if not name:
            new = ""
        elif name[-1] == "/":
            new = name[:-1]
        else:
            new = self.unique_name(name)
        of_thread.name_stack = new
        try:
            yield new + "/" if name else ""
        finally:
            of_thread.name_stack = old

    def get_name_scope(self) -> str:
        """The current name scope, without a trailing slash."""
        return self._of_thread.name_stack

    # Collections

    @property
    def collections(self) -> list[Any]:
        return list(self._collections)

    def add_to_collection(self, name: Any, value: Any) -> None:
        """Remember `value` under `name`."""
        self._check_not_finalized()
        self._collections.setdefault(name, []).append(value)

    def add_to_collections(self, names: Any, value: Any) -> None:
        for name in (names,) if isinstance(names, str) else dict.fromkeys(names):
            self.add_to_collection(name, value)

    def get_collection_ref(self, name: Any) -> list[Any]:
        """The collection itself, to be changed in place."""
        return self._collections.setdefault(name, [])

    def get_collection(self, name: Any, scope: str | None = None) -> list[Any]:
        """A copy of the collection; with `scope`, only items whose name matches that regular expression."""
        items = self._collections.get(name, [])
        if scope is None:
            return list(items)
        import re

        match = re.compile(scope).match
        return [item for item in items if hasattr(item, "name") and match(item.name)]

    def get_all_collection_keys(self) -> list[str]:
        return [key for key in self._collections if isinstance(key, str)]

    def clear_collection(self, name: Any) -> None:
        self._check_not_finalized()
        self._collections.pop(name, None)

    # Scopes

    def as_default(self) -> Any:
        """A context in which this graph is the default one."""
        return stacks.graphs.pushed(self)

    def control_dependencies(self, control_inputs: Any) -> ControlDependencies:
        """Ops made inside run after `control_inputs` (tensors or ops). None leaves all control dependencies."""
        if control_inputs is None:
            return ControlDependencies(self, None)
        ops: dict[Operation, None] = {}
        for c in control_inputs:
            if not isinstance(c, str) and hasattr(c, "_handle") and isinstance(getattr(c, "op", None), Operation):
                element: Any = c.op
            elif hasattr(c, "values") and hasattr(c, "indices") and not isinstance(c, Operation | Tensor):
                element = c.op
            else:
                element = self.as_graph_element(c)
            if isinstance(element, Tensor):
                element = element.op
            ops[element] = None
        return ControlDependencies(self, list(ops))

    @property
    def _control_dependencies_stack(self) -> list[ControlDependencies]:
        return self._control_stack

    def _current_control_dependencies(self) -> set[Operation]:
        return {op for dependencies in self._control_stack for op in dependencies.control_inputs}

    @contextmanager
    def device(self, device_name_or_function: Any) -> Iterator[None]:
        """Ops made inside are placed on a device: a name, a `DeviceSpec`, a function of the op; None for no device."""
        spec = device_name_or_function
        function: Callable[[Operation], str] | None
        if spec is None or callable(spec):
            function = spec
        elif spec == "":
            function = lambda op: op.device  # noqa: E731
        else:
            function = devices.merge_device(spec)
        of_thread = self._of_thread
        with self._lock:
            self._device_stack.append(function)
            depth = of_thread.devices = of_thread.devices + 1
        try:
            yield
        finally:
            with self._lock:
                if of_thread.devices != depth:
                    raise RuntimeError("Exiting device scope without proper scope exit")
                of_thread.devices = depth - 1
                remove_last(self._device_stack, function)

    @contextmanager
    def colocate_with(self, op: Any, ignore_existing: bool = False) -> Iterator[None]:
        """Ops made inside share the device of `op`."""
        if op is None and not ignore_existing:
            raise ValueError("Trying to reset colocation (op is None) but ignore_existing is not True")
        if op is not None and not isinstance(op, Operation):
            op = getattr(op, "op", op)
        if isinstance(op, Tensor):
            op = op.op
        # In either stack, None hides what is below it.
        entries = [None] * ignore_existing + [op] * (op is not None)
        with self._lock:
            self._device_stack.append(None)
            self._colocation_stack.extend(entries)
        try:
            yield
        finally:
            with self._lock:
                remove_last(self._device_stack, None)
                for entry in reversed(entries):
                    remove_last(self._colocation_stack, entry)

    @contextmanager
    def _colocate_with_for_gradient(self, op: Any, gradient_uid: Any, ignore_existing: bool = False) -> Iterator[None]:
        with self.colocate_with(op, ignore_existing):
            yield

    @contextmanager
    def container(self, container_name: str) -> Iterator[str]:
        """Stateful ops made inside keep their state in the named container."""
        old, self._container = self._container, container_name
        try:
            yield container_name
        finally:
            self._container = old

    @contextmanager
    def gradient_override_map(self, op_type_map: Mapping[str, str]) -> Iterator[None]:
        """Inside, ops of the given types get the gradient registered under another name."""
        for key, value in op_type_map.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise TypeError("op_type_map must be a dictionary mapping strings to strings")
        old = self._gradient_override
        self._gradient_override = {**old, **op_type_map}
        try:
            yield
        finally:
            self._gradient_override = old

    @contextmanager
    def _kernel_label_map(self, labels: Mapping[str, str]) -> Iterator[None]:
        old = self._kernel_labels
        self._kernel_labels = {**old, **labels}
        try:
            yield
        finally:
            self._kernel_labels = old

    @contextmanager
    def _attr_scope(self, attr_map: Mapping[str, Any]) -> Iterator[None]:
        """Inside, ops get these attributes too; a value may be a function of the node, None switches one off."""
        if not isinstance(attr_map, dict):
            raise TypeError("attr_map must be a dictionary mapping strings to AttrValue protocol buffers")
        old = self._attr_scope_map
        merged = {**old, **attr_map}
        self._attr_scope_map = {k: v for k, v in merged.items() if v is not None}
        try:
            yield
        finally:
            self._attr_scope_map = old

    @contextmanager
    def _original_op_scope(self, op: Operation) -> Iterator[None]:
        of_thread = self._of_thread
        old, of_thread.original_op = of_thread.original_op, op
        try:
            yield
        finally:
            of_thread.original_op = old

    _original_op = _original_op_scope

    @contextmanager
    def built_by(self, frames: _frames.Frames) -> Iterator[None]:
        """Ops made inside were asked for by one line of the program: its frames are taken once."""
        of_thread = self._of_thread
        old, of_thread.frames = of_thread.frames, frames or None
        try:
            yield
        finally:
            of_thread.frames = old

    @property
    def _variable_creator_stack(self) -> list[Any]:
        return list(self._of_thread.variable_creators)

    @_variable_creator_stack.setter
    def _variable_creator_stack(self, creators: Iterable[Any]) -> None:
        self._of_thread.variable_creators = tuple(creators)

    @contextmanager
    def _variable_creator_scope(self, creator: Any, priority: int = 100) -> Iterator[None]:
        of_thread = self._of_thread
        old = of_thread.variable_creators
        new = of_thread.variable_creators = tuple(sorted([*old, (priority, creator)], key=lambda entry: entry[0]))
        try:
            yield
        finally:
            if of_thread.variable_creators is not new:
                raise RuntimeError("Exiting variable_creator_scope without proper nesting.")
            of_thread.variable_creators = old

    def _get_control_flow_context(self) -> Any:
        return self._control_flow_context

    def _set_control_flow_context(self, context: Any) -> None:
        self._control_flow_context = context

    # What may be fed and fetched

    def prevent_feeding(self, tensor: Tensor) -> None:
        self._unfeedable.add(tensor)

    def is_feedable(self, tensor: Tensor) -> bool:
        return tensor not in self._unfeedable

    def prevent_fetching(self, op: Operation) -> None:
        self._unfetchable.add(op)

    def is_fetchable(self, tensor_or_op: Any) -> bool:
        op = tensor_or_op.op if isinstance(tensor_or_op, Tensor) else tensor_or_op
        return op not in self._unfetchable

    def switch_to_thread_local(self) -> None:
        """Give each thread that builds this graph its own device scopes, colocations and control dependencies."""
        if type(self) is Graph:
            self.__class__ = _GraphOfThreads


class _GraphOfThreads(Graph):
    """A graph whose scopes belong to threads; each thread starts with those there were at the switch."""

    @property
    def _scopes(self) -> dict[str, Any]:
        own = self.__dict__.setdefault("_scopes_of_threads", threading.local()).__dict__
        if not own:
            own.update({name: list(self.__dict__[name]) for name in _SCOPES})
        return own


def _scope_of_thread(name: str) -> property:
    return property(lambda self: self._scopes[name], lambda self, value: self._scopes.__setitem__(name, value))


_SCOPES = ("_device_stack", "_colocation_stack", "_control_stack")
for _name in _SCOPES:
    setattr(_GraphOfThreads, _name, _scope_of_thread(_name))


# Gives a new op its outputs (types and static shapes). `ops.opdef` plugs it in: the framework knows no op.
finish_op: list[Callable[[Operation], None]] = []


def get_default_graph() -> Graph:
    """The innermost `with graph.as_default()` of this thread, else the graph that is this thread's own."""
    stack = stacks.graphs.stack
    return stack[-1] if stack else graph_of_thread()


def graph_of_thread() -> Graph:
    """The default graph where a thread has opened no other. As in TF 1, each thread has one of its own."""
    graphs = stacks.graphs
    if graphs.outermost is None:
        graphs.outermost = Graph()
    return graphs.outermost


def reset_default_graph() -> None:
    """Throw away the default graph of this thread and start with an empty one.

    Raises:
        AssertionError: inside a `with graph.as_default()` block.
    """
    if stacks.graphs.stack:
        raise AssertionError("Do not use tf.reset_default_graph() to clear nested graphs.")
    stacks.graphs.outermost = Graph()
