"""Batch normalization: each channel brought to mean 0 and variance 1, with averages over past batches for later.

Forms of it, as the arguments ask: one fused op; in pieces; with a virtual batch size (the batch cut into smaller ones);
renormalized (the batch's statistics corrected towards the averages); with an adjustment drawn in training.
"""

from __future__ import annotations

from typing import Any

from evergraph.framework import dtypes
from evergraph.framework.convert import convert_to_tensor
from evergraph.framework.scopes import colocate_with, control_dependencies, name_scope
from evergraph.framework.shapes import TensorShape
from evergraph.framework.tensor import Tensor
from evergraph.layers.input_spec import InputSpec
from evergraph.layers.layer import Layer
from evergraph.layers.learning_phase import learning_phase
from evergraph.layers.named import constraint_of, described, initializer_of, regularizer_of
from evergraph.layers.smart_cond import known_truth, smart_cond
from evergraph.ops import array, math, state
from evergraph.ops.activations import relu
from evergraph.ops.constant import constant
from evergraph.ops.normalization import batch_normalization, fused_batch_norm, moments
from evergraph.ops.variables import VariableAggregation, VariableSynchronization


class BatchNormalization(Layer):
    """Normalize over all axes but `axis`, then scale and shift.

    Args:
        axis: the axis of the channels, or a list of axes.
        momentum: of the moving averages.
        epsilon: added to the variance.
        center: whether there is a shift, `beta`.
        scale: whether there is a scale, `gamma`.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: what they start with.
        beta_regularizer, gamma_regularizer: functions of a variable that give a loss.
        beta_constraint, gamma_constraint: functions from a variable's value after an update to the value to keep.
        renorm: whether to correct the batch's statistics towards their averages.
        renorm_clipping: bounds of the correction, a dictionary with "rmax", "rmin", "dmax".
        renorm_momentum: of the averages that it uses.
        fused: whether to use one fused op; None does where it can be.
        trainable: whether optimizers change the variables.
        virtual_batch_size: normalize over groups of that many examples.
        adjustment: a function of the input's shape that gives a scale and a shift, applied in training.
        name: the layer's name.
        **kwargs: options of all layers.
    """

    gamma: Any
    beta: Any
    _gamma_const: Any
    _beta_const: Any

    def __init__(
        self,
        axis: Any = -1,
        momentum: Any = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: Any = 0.99,
        fused: bool | None = None,
        trainable: bool = True,
        virtual_batch_size: int | None = None,
        adjustment: Any = None,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if not isinstance(axis, list | int):
            raise TypeError(f"axis must be int or list, type given: {type(axis)}")
        self.axis: Any = axis[:] if isinstance(axis, list) else axis
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializer_of(beta_initializer)
        self.gamma_initializer = initializer_of(gamma_initializer)
        self.moving_mean_initializer = initializer_of(moving_mean_initializer)
        self.moving_variance_initializer = initializer_of(moving_variance_initializer)
        self.beta_regularizer = regularizer_of(beta_regularizer)
        self.gamma_regularizer = regularizer_of(gamma_regularizer)
        self.beta_constraint = constraint_of(beta_constraint)
        self.gamma_constraint = constraint_of(gamma_constraint)
        self.renorm = renorm
        self.virtual_batch_size = virtual_batch_size
        self.adjustment = adjustment
        self.supports_masking = True
        self.fused = True if fused is None else fused
        self._bessels_correction_test_only = True
        self.trainable = trainable
        if renorm:
            renorm_clipping = renorm_clipping or {}
            known = ["rmax", "rmin", "dmax"]
            if set(renorm_clipping) - set(known):
                raise ValueError(f"renorm_clipping {renorm_clipping} contains keys not in {known}")
            self.renorm_clipping = renorm_clipping
            self.renorm_momentum = renorm_momentum

    @property
    def _param_dtype(self) -> Any:
        if self.dtype in ("float16", "bfloat16"):
            return dtypes.float32
        return self.dtype or dtypes.float32

    def _can_be_fused(self) -> bool:
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        if len(axes) > 1 or axes[0] not in (-3, -1, 1, 3):
            return False
        return not self.renorm and self.virtual_batch_size is None and self.adjustment is None

    def build(self, input_shape: Any) -> None:
        sizes = TensorShape(input_shape)
        if not sizes.rank:
            raise ValueError("Input has undefined rank:", sizes)
        rank = sizes.rank
        self.axis = [self.axis] if isinstance(self.axis, int) else self.axis
        self.axis = [rank + x if x < 0 else x for x in self.axis]
        for x in self.axis:
            if not 0 <= x < rank:
                raise ValueError(f"Invalid axis: {x}")
        if len(self.axis) != len(set(self.axis)):
            raise ValueError(f"Duplicate axis: {self.axis}")
        if self.virtual_batch_size is not None:
            if self.virtual_batch_size <= 0:
                raise ValueError(
                    "virtual_batch_size must be a positive integer that divides the true batch size of the input Tensor"
                )
            if 0 in self.axis:
                raise ValueError(
                    "When using virtual_batch_size, the batch dimension must be 0 and thus axis cannot include 0"
                )
            if self.adjustment is not None:
                raise ValueError("When using virtual_batch_size, adjustment cannot be specified")
        self.fused = self.fused and rank == 4 and self._can_be_fused()
        by_axis = {x: sizes.as_list()[x] for x in self.axis}
        if None in by_axis.values():
            raise ValueError("Input has undefined `axis` dimension. Input shape: ", sizes)
        self.input_spec = InputSpec(ndim=rank, axes=by_axis)
        if len(by_axis) == 1 and self.virtual_batch_size is None:
            shape: Any = (by_axis[self.axis[0]],)
        else:
            shape = [by_axis.get(i, 1) for i in range(rank)]
            if self.virtual_batch_size is not None:
                shape.insert(1, 1)
                self.axis = [x + 1 for x in self.axis]  # a dimension is added before the channels
        self._add_trained(shape)
        self._add_averages(shape)
        self.built = True

    def _add_trained(self, shape: Any) -> None:
        for name, wanted, value in (("gamma", self.scale, 1.0), ("beta", self.center, 0.0)):
            variable = None
            if wanted:
                variable = self.add_weight(
                    name=name,
                    shape=shape,
                    dtype=self._param_dtype,
                    initializer=getattr(self, f"{name}_initializer"),
                    regularizer=getattr(self, f"{name}_regularizer"),
                    constraint=getattr(self, f"{name}_constraint"),
                    trainable=True,
                    experimental_autocast=False,
                )
            elif self.fused:
                setattr(self, f"_{name}_const", constant(value, dtype=self._param_dtype, shape=shape))
            setattr(self, name, variable)

    def _add_average(self, name: str, shape: Any, initializer: Any) -> Any:
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=self._param_dtype,
            initializer=initializer,
            synchronization=VariableSynchronization.ON_READ,
            trainable=False,
            aggregation=VariableAggregation.MEAN,
            experimental_autocast=False,
        )

    def _add_averages(self, shape: Any) -> None:
        scope = getattr(self, "_scope", None)
        partitioner = scope.partitioner if scope else None
        if scope:
            scope.set_partitioner(None)
        try:
            self.moving_mean = self._add_average("moving_mean", shape, self.moving_mean_initializer)
            self.moving_variance = self._add_average("moving_variance", shape, self.moving_variance_initializer)
            if self.renorm:

                def stddev_initializer(*args: Any, **kwargs: Any) -> Tensor:
                    return math.sqrt(self.moving_variance_initializer(*args, **kwargs))

                with colocate_with(self.moving_variance):
                    self.moving_stddev = self._add_average("moving_stddev", shape, stddev_initializer)
                with colocate_with(self.moving_mean):
                    self.renorm_mean = self._add_average("renorm_mean", shape, self.moving_mean_initializer)
                with colocate_with(self.moving_stddev):
                    self.renorm_stddev = self._add_average("renorm_stddev", shape, stddev_initializer)
        finally:
            if scope is not None and partitioner:
                scope.set_partitioner(partitioner)

    # Averages

    def _assign_moving_average(self, variable: Any, value: Any, momentum: Any) -> Any:
        with name_scope("AssignMovingAvg") as scope, colocate_with(variable):
            decay = convert_to_tensor(1.0 - momentum, name="decay")
            if decay.dtype != variable.dtype.base_dtype:
                decay = math.cast(decay, variable.dtype.base_dtype)
            delta = (variable - math.cast(value, variable.dtype)) * decay
            return state.assign_sub(variable, delta, name=scope)

    def _assign_new_value(self, variable: Any, value: Any) -> Any:
        with name_scope("AssignNewValue") as scope, colocate_with(variable):
            return state.assign(variable, value, name=scope)

    def _assign_variance(self, variance: Any, momentum: Any) -> Any:
        if not self.renorm:
            return self._assign_moving_average(self.moving_variance, variance, momentum)
        stddev = self._assign_moving_average(self.moving_stddev, math.sqrt(variance + self.epsilon), momentum)
        return self._assign_new_value(self.moving_variance, relu(stddev * stddev - self.epsilon))

    # The fused op

    def _fused_batch_norm(self, inputs: Any, training: Any) -> Tensor:
        beta = self.beta if self.center else self._beta_const
        gamma = self.gamma if self.scale else self._gamma_const
        layout = "NCHW" if self.axis == [1] else "NHWC"

        def in_training() -> Any:
            return fused_batch_norm(inputs, gamma, beta, epsilon=self.epsilon, data_format=layout)

        def in_inference() -> Any:
            return fused_batch_norm(
                inputs,
                gamma,
                beta,
                mean=self.moving_mean,
                variance=self.moving_variance,
                epsilon=self.epsilon,
                is_training=False,
                data_format=layout,
            )

        output, mean, variance = smart_cond(training, in_training, in_inference)
        if not self._bessels_correction_test_only:
            count = math.cast(array.size(inputs) / array.size(variance), variance.dtype)
            variance *= (count - math.cast(1.0, variance.dtype)) / count
        known = known_truth(training)
        if known is None:
            momentum = smart_cond(training, lambda: self.momentum, lambda: 1.0)
        else:
            momentum = convert_to_tensor(self.momentum)
        if known or known is None:
            self.add_update(lambda: self._assign_moving_average(self.moving_mean, mean, momentum))
            self.add_update(lambda: self._assign_variance(variance, momentum))
        return output

    # In pieces

    def _renorm_correction_and_moments(self, mean: Any, variance: Any, training: Any) -> tuple[Any, Any, Any, Any]:
        """The factor and the shift that correct the batch's statistics, and these, after the averages have them."""
        stddev = math.sqrt(variance + self.epsilon)
        renorm_mean = self.renorm_mean
        renorm_stddev = math.maximum(self.renorm_stddev, math.sqrt(self.epsilon))
        r = stddev / renorm_stddev
        d = (mean - renorm_mean) / renorm_stddev
        with control_dependencies([r, d]):
            mean = array.identity(mean)
            stddev = array.identity(stddev)
        rmin, rmax, dmax = (self.renorm_clipping.get(key) for key in ("rmin", "rmax", "dmax"))
        if rmin is not None:
            r = math.maximum(r, rmin)
        if rmax is not None:
            r = math.minimum(r, rmax)
        if dmax is not None:
            d = math.maximum(d, -dmax)
            d = math.minimum(d, dmax)
        r = smart_cond(training, lambda: r, lambda: array.ones_like(r))
        d = smart_cond(training, lambda: d, lambda: array.zeros_like(d))

        def updated(variable: Any, value: Any) -> Any:
            value = array.identity(value)
            return smart_cond(
                training,
                lambda: self._assign_moving_average(variable, value, self.renorm_momentum),
                lambda: array.identity(variable),
            )

        new_mean = updated(self.renorm_mean, mean)
        new_stddev = updated(self.renorm_stddev, stddev)
        with control_dependencies([new_mean, new_stddev]):
            return r, d, array.identity(mean), array.identity(variance)

    def _moments(self, inputs: Any, reduction_axes: list[int], keep_dims: bool) -> tuple[Any, Any]:
        return moments(inputs, reduction_axes, keep_dims=keep_dims)

    def call(self, inputs: Any, training: Any = None) -> Any:
        training = learning_phase() if training is None else training
        original_shape: Any = None
        if self.virtual_batch_size is not None:
            original_shape = [-1, *inputs.shape.as_list()[1:]]
            inputs = array.reshape(inputs, [self.virtual_batch_size, -1, *original_shape[1:]])
        if self.fused:
            return self._fused_batch_norm(inputs, training=training)
        outputs = self._in_pieces(inputs, training)
        return outputs if original_shape is None else array.reshape(outputs, original_shape)

    def _in_pieces(self, inputs: Any, training: Any) -> Any:
        sizes = inputs.shape
        rank = sizes.rank
        reduction_axes = [i for i in range(rank) if i not in self.axis]
        if self.virtual_batch_size is not None:
            del reduction_axes[1]  # not along the dimension of the virtual batches
        broadcast_shape = [1] * rank
        broadcast_shape[self.axis[0]] = sizes.as_list()[self.axis[0]]

        def spread(v: Any) -> Any:
            if v is not None and v.shape.rank != rank and reduction_axes != list(range(rank - 1)):
                return array.reshape(v, broadcast_shape)
            return v

        scale, offset = spread(self.gamma), spread(self.beta)

        def composed(scale: Any, offset: Any, then_scale: Any, then_offset: Any) -> tuple[Any, Any]:
            if then_scale is not None:
                scale *= then_scale
                offset *= then_scale
            if then_offset is not None:
                offset += then_offset
            return scale, offset

        if known_truth(training) is False:
            mean, variance = self.moving_mean, self.moving_variance
        else:
            if self.adjustment:
                adjust_scale, adjust_offset = self.adjustment(array.shape(inputs))
                by_scale, by_offset = adjust_scale, adjust_offset
                adjust_scale = smart_cond(training, lambda: by_scale, lambda: array.ones_like(by_scale))
                adjust_offset = smart_cond(training, lambda: by_offset, lambda: array.zeros_like(by_offset))
                scale, offset = composed(adjust_scale, adjust_offset, scale, offset)
            keep_dims = self.virtual_batch_size is not None or len(self.axis) > 1
            batch_mean, batch_variance = self._moments(
                math.cast(inputs, self._param_dtype), reduction_axes, keep_dims=keep_dims
            )
            mean = smart_cond(training, lambda: batch_mean, lambda: convert_to_tensor(self.moving_mean))
            variance = smart_cond(training, lambda: batch_variance, lambda: convert_to_tensor(self.moving_variance))
            new_mean, new_variance = mean, variance
            if self.virtual_batch_size is not None:
                new_mean = math.reduce_mean(mean, axis=1, keepdims=True)
                new_variance = math.reduce_mean(variance, axis=1, keepdims=True)
            if self.renorm:
                r, d, new_mean, new_variance = self._renorm_correction_and_moments(new_mean, new_variance, training)
                r = spread(array.stop_gradient(r, name="renorm_r"))
                d = spread(array.stop_gradient(d, name="renorm_d"))
                scale, offset = composed(r, d, scale, offset)
            self.add_update(
                lambda: smart_cond(
                    training,
                    lambda: self._assign_moving_average(self.moving_mean, new_mean, self.momentum),
                    lambda: self.moving_mean,
                )
            )
            self.add_update(
                lambda: smart_cond(
                    training,
                    lambda: self._assign_variance(new_variance, self.momentum),
                    lambda: self.moving_variance,
                )
            )
        mean = math.cast(mean, inputs.dtype)
        variance = math.cast(variance, inputs.dtype)
        if offset is not None:
            offset = math.cast(offset, inputs.dtype)
        if scale is not None:
            scale = math.cast(scale, inputs.dtype)
        outputs = batch_normalization(inputs, spread(mean), spread(variance), offset, scale, self.epsilon)
        outputs.set_shape(sizes)
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": described(self.beta_initializer),
            "gamma_initializer": described(self.gamma_initializer),
            "moving_mean_initializer": described(self.moving_mean_initializer),
            "moving_variance_initializer": described(self.moving_variance_initializer),
            "beta_regularizer": described(self.beta_regularizer),
            "gamma_regularizer": described(self.gamma_regularizer),
            "beta_constraint": described(self.beta_constraint),
            "gamma_constraint": described(self.gamma_constraint),
        }
        if self.renorm:
            config |= {"renorm": True, "renorm_clipping": self.renorm_clipping}
            config["renorm_momentum"] = self.renorm_momentum
        if self.virtual_batch_size is not None:
            config["virtual_batch_size"] = self.virtual_batch_size
        return config
