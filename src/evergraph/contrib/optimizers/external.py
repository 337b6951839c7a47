"""Optimizers that are not made of ops: `tf.contrib.opt.ScipyOptimizerInterface` and what it is built on.

The variables become one long vector, which the outside optimizer moves; the graph gives it losses and gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from evergraph.autodiff.gradients import gradients
from evergraph.framework import log, stacks
from evergraph.framework.api import public
from evergraph.ops.filling import zeros_like
from evergraph.ops.identity import placeholder
from evergraph.ops.joining import concat
from evergraph.ops.shaping import reshape
from evergraph.ops.variables import trainable_variables


@public("contrib.opt.ExternalOptimizerInterface")
class ExternalOptimizerInterface:
    """What optimizers outside of the graph share; a subclass implements `_minimize`.

    Args:
        loss: the loss, a scalar.
        var_list: the variables to change; by default the trainable ones.
        equalities: scalars to keep at zero.
        inequalities: scalars to keep from falling below zero.
        var_to_bounds: a dict from variables to their least and largest values, numbers or arrays.
        **optimizer_kwargs: for the optimizer.
    """

    def __init__(
        self,
        loss: Any,
        var_list: Any = None,
        equalities: Any = None,
        inequalities: Any = None,
        var_to_bounds: Any = None,
        **optimizer_kwargs: Any,
    ) -> None:
        self._loss = loss
        self._equalities = equalities or []
        self._inequalities = inequalities or []
        self._vars = trainable_variables() if var_list is None else list(var_list)
        self._packed_bounds = None if var_to_bounds is None else self._bounds(var_to_bounds)
        self._update_placeholders = [placeholder(v.dtype.base_dtype) for v in self._vars]
        self._var_updates = [
            v.assign(reshape(fed, _shape(v))) for v, fed in zip(self._vars, self._update_placeholders, strict=True)
        ]
        loss_grads = _gradients(loss, self._vars)
        equalities_grads = [_gradients(t, self._vars) for t in self._equalities]
        inequalities_grads = [_gradients(t, self._vars) for t in self._inequalities]
        self.optimizer_kwargs = optimizer_kwargs
        self._packed_var = self._pack(self._vars)
        self._packed_loss_grad = self._pack(loss_grads)
        self._packed_equality_grads = [self._pack(grads) for grads in equalities_grads]
        self._packed_inequality_grads = [self._pack(grads) for grads in inequalities_grads]
        ends = list(accumulate((math.prod(_shape(v)) for v in self._vars), initial=0))
        self._packing_slices = [slice(start, end) for start, end in pairwise(ends)]

    def _bounds(self, var_to_bounds: Any) -> list[tuple[Any, Any]]:
        found: list[tuple[Any, Any]] = []
        for v in self._vars:
            low, high = var_to_bounds.get(v, (-np.inf, np.inf))
            shape = _shape(v)
            found.extend(zip(np.broadcast_to(low, shape).flat, np.broadcast_to(high, shape).flat, strict=True))
        return found

    def minimize(
        self,
        session: Any = None,
        feed_dict: Any = None,
        fetches: Any = None,
        step_callback: Callable[..., Any] | None = None,
        loss_callback: Callable[..., Any] | None = None,
        **run_kwargs: Any,
    ) -> None:
        """Run the optimizer, and give the variables the values it found.

        Args:
            session: by default the default session.
            feed_dict: what to feed besides.
            fetches: tensors whose values `loss_callback` is called with, whenever the loss is computed.
            step_callback: called after each step with the vector of all variables.
            loss_callback: see `fetches`.
            **run_kwargs: for the run that sets the variables.
        """
        session = session or stacks.get_default_session()
        feed_dict = feed_dict or {}
        fetches = fetches or []

        def functions(tensors: list[Any]) -> list[Callable[..., Any]]:
            return [self._make_eval_func(t, session, feed_dict, fetches) for t in tensors]

        found = self._minimize(
            initial_val=session.run(self._packed_var),
            loss_grad_func=self._make_eval_func(
                [self._loss, self._packed_loss_grad], session, feed_dict, fetches, loss_callback
            ),
            equality_funcs=functions(self._equalities),
            equality_grad_funcs=functions(self._packed_equality_grads),
            inequality_funcs=functions(self._inequalities),
            inequality_grad_funcs=functions(self._packed_inequality_grads),
            packed_bounds=self._packed_bounds,
            step_callback=step_callback or (lambda x: None),
            optimizer_kwargs=self.optimizer_kwargs,
        )
        values = [found[part] for part in self._packing_slices]
        session.run(
            self._var_updates, feed_dict=dict(zip(self._update_placeholders, values, strict=True)), **run_kwargs
        )

    def _minimize(
        self,
        initial_val: Any,
        loss_grad_func: Any,
        equality_funcs: Any,
        equality_grad_funcs: Any,
        inequality_funcs: Any,
        inequality_grad_funcs: Any,
        packed_bounds: Any,
        step_callback: Any,
        optimizer_kwargs: Any,
    ) -> Any:
        """The vector that makes the loss least, given functions of such vectors. A subclass implements it."""
        raise NotImplementedError(
            "To use ExternalOptimizerInterface, subclass from it and implement the _minimize() method."
        )

    @classmethod
    def _pack(cls, tensors: Any) -> Any:
        """The elements of all tensors as one vector."""
        if not tensors:
            return None
        flat = [reshape(t, [-1]) for t in tensors]
        return flat[0] if len(flat) == 1 else concat(flat, 0)

    def _make_eval_func(
        self, tensors: Any, session: Any, feed_dict: Any, fetches: Any, callback: Callable[..., Any] | None = None
    ) -> Callable[[Any], Any]:
        """A function that computes `tensors` for a vector of all variables."""
        wanted = list(tensors) if isinstance(tensors, list) else [tensors]

        def evaluate(x: Any) -> Any:
            feeds = {v: x[part].reshape(_shape(v)) for v, part in zip(self._vars, self._packing_slices, strict=True)}
            values = session.run([*wanted, *fetches], feed_dict=feeds | feed_dict)
            if callback is not None:
                callback(*values[len(wanted) :])
            return values[: len(wanted)]

        return evaluate


@public("contrib.opt.ScipyOptimizerInterface")
class ScipyOptimizerInterface(ExternalOptimizerInterface):
    """`scipy.optimize.minimize` on the variables of a graph; needs SciPy. The arguments are those of
    `ExternalOptimizerInterface`; `method` is "L-BFGS-B" unless another is given, and `options` go to it.

    Raises:
        ImportError: from `minimize`, without SciPy.

        optimizer = tf.contrib.opt.ScipyOptimizerInterface(loss, options={"maxiter": 100})
        optimizer.minimize(session)
    """

    _DEFAULT_METHOD = "L-BFGS-B"

    def _minimize(
        self,
        initial_val: Any,
        loss_grad_func: Any,
        equality_funcs: Any,
        equality_grad_funcs: Any,
        inequality_funcs: Any,
        inequality_grad_funcs: Any,
        packed_bounds: Any,
        step_callback: Any,
        optimizer_kwargs: Any,
    ) -> Any:
        def loss_and_gradient(x: Any) -> tuple[Any, Any]:
            loss, gradient = loss_grad_func(x)
            return np.float64(loss), gradient.astype(np.float64)

        given = dict(optimizer_kwargs)
        method = given.pop("method", self._DEFAULT_METHOD)
        constraints = [
            {"type": kind, "fun": _scalar(function), "jac": _vector(gradient)}
            for kind, functions, grads in (
                ("eq", equality_funcs, equality_grad_funcs),
                ("ineq", inequality_funcs, inequality_grad_funcs),
            )
            for function, gradient in zip(functions, grads, strict=True)
        ]
        ours = {
            "jac": True,
            "callback": step_callback,
            "method": method,
            "constraints": constraints,
            "bounds": packed_bounds,
        }
        for name in ours:
            if name in given:
                if name == "bounds":
                    raise ValueError("Bounds must be set using the var_to_bounds argument")
                raise ValueError(f"Optimizer keyword arg '{name}' is set automatically and cannot be injected manually")
        try:
            import scipy.optimize  # type: ignore[import-untyped, unused-ignore]
        except ImportError as error:
            raise ImportError(
                "tf.contrib.opt.ScipyOptimizerInterface needs SciPy, which is not installed: pip install scipy"
            ) from error
        result = scipy.optimize.minimize(loss_and_gradient, initial_val.astype(np.float64), **(ours | given))
        lines = ["Optimization terminated with:", f"  Message: {_text(result.message)}"]
        lines.append(f"  Objective function value: {float(result.fun):f}")
        if hasattr(result, "nit"):
            lines.append(f"  Number of iterations: {result.nit}")
        if hasattr(result, "nfev"):
            lines.append(f"  Number of functions evaluations: {result.nfev}")
        log.info("%s", "\n".join(lines))
        return result["x"]


def _text(message: Any) -> str:
    return message.decode() if isinstance(message, bytes) else str(message)


def _scalar(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: np.float64(function(x)[0])


def _vector(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: np.asarray(function(x)[0], np.float64)


def _shape(variable: Any) -> tuple[int, ...]:
    return tuple(variable.get_shape().as_list())


def _gradients(t: Any, variables: list[Any]) -> list[Any]:
    """The gradients of `t`, zeros where it does not depend on a variable."""
    grads = gradients(t, variables)
    return [zeros_like(v) if grad is None else grad for v, grad in zip(variables, grads, strict=True)]
