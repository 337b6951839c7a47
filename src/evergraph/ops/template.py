"""`make_template`: a function whose variables are made at its first call and used again at all others."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from evergraph.framework.api import public
from evergraph.framework.graph import get_default_graph
from evergraph.framework.scopes import GraphKeys
from evergraph.ops.variable_scope import PureVariableScope, VariableScope, unique_scope, variable_scope


@public("make_template")
def make_template(
    name_: str,
    func_: Callable[..., Any],
    create_scope_now_: bool = False,
    unique_name_: str | None = None,
    custom_getter_: Any = None,
    **kwargs: Any,
) -> Template:
    """Wrap `func_` so that all calls share the variables of the first.

    Args:
        name_: the variable scope, made unique.
        func_: a function that takes its variables from `get_variable`.
        create_scope_now_: whether to open the scope now rather than at the first call.
        unique_name_: a scope to take exactly; it may be shared.
        custom_getter_: a custom getter for the scope.
        **kwargs: arguments to give `func_` at every call.

    >>> scale = tf.make_template("scale", lambda x: x * tf.get_variable("w", []))
    >>> y, z = scale(1.0), scale(2.0)
    >>> [v.name for v in scale.variables]
    ['scale/w:0']
    """
    if kwargs:
        func_ = functools.partial(func_, **kwargs)
    return Template(name_, func_, create_scope_now_, unique_name_, custom_getter_)


class Template:
    """What `make_template` gives: call it as the function."""

    def __init__(
        self,
        name: str,
        func: Callable[..., Any],
        create_scope_now: bool = False,
        unique_name: str | None = None,
        custom_getter: Any = None,
    ) -> None:
        if name is None:
            raise ValueError("name cannot be None.")
        self._name = name
        self._func = func
        self._unique_name = unique_name
        self._custom_getter = custom_getter
        self._variable_scope: VariableScope | None = None
        self._first_call = True
        self._variables_created = False
        if create_scope_now:
            scope = self._unique_name or unique_scope(self._name)
            with PureVariableScope(scope, custom_getter=custom_getter) as opened:
                self._variable_scope = opened

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._variable_scope is not None:
            with variable_scope(self._variable_scope, reuse=not self._first_call):
                return self._call(args, kwargs)
        with variable_scope(self._unique_name, self._name, custom_getter=self._custom_getter) as scope:
            self._variable_scope = scope
            return self._call(args, kwargs)

    def _call(self, args: Any, kwargs: Any) -> Any:
        if self._variables_created:
            trainable = get_default_graph().get_collection_ref(GraphKeys.TRAINABLE_VARIABLES)
            before = len(trainable)
            result = self._func(*args, **kwargs)
            if len(trainable) != before:
                raise ValueError(
                    "Trainable variable created when calling a template after the first time, perhaps you used "
                    f"tf.Variable when you meant tf.get_variable: {trainable[before:]}"
                )
            return result
        if not self._first_call:
            return self._func(*args, **kwargs)
        self._first_call = False
        try:
            result = self._func(*args, **kwargs)
        except BaseException:
            self._first_call = True
            raise
        self._variables_created = True
        return result

    @property
    def name(self) -> str:
        return self._name

    @property
    def func(self) -> Callable[..., Any]:
        return self._func

    @property
    def variable_scope(self) -> VariableScope | None:
        """The template's scope, or None before the first call."""
        return self._variable_scope

    var_scope = variable_scope

    @property
    def variable_scope_name(self) -> str | None:
        """The scope's name, with a "/" at its end."""
        if self._variable_scope is None:
            return None
        name = self._variable_scope.name
        return name if not name or name.endswith("/") else name + "/"

    def _collected(self, key: str) -> list[Any]:
        if not self._variables_created:
            return []
        return get_default_graph().get_collection(key, self.variable_scope_name)

    @property
    def global_variables(self) -> list[Any]:
        return self._collected(GraphKeys.GLOBAL_VARIABLES)

    @property
    def local_variables(self) -> list[Any]:
        return self._collected(GraphKeys.LOCAL_VARIABLES)

    @property
    def variables(self) -> list[Any]:
        """The variables made by the first call, global and local."""
        return self.global_variables + self.local_variables

    @property
    def trainable_variables(self) -> list[Any]:
        return self._collected(GraphKeys.TRAINABLE_VARIABLES)

    @property
    def non_trainable_variables(self) -> list[Any]:
        trainable = self.trainable_variables
        return [v for v in self.global_variables if v not in trainable]

    weights = variables
    trainable_weights = trainable_variables
    non_trainable_weights = non_trainable_variables
