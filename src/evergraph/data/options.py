"""Options of datasets: `tf.data.Options` and the groups in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from evergraph.framework.api import public


class OptionsBase:
    """A group of options. Each has a type and a default; setting anything else is an error."""

    _options: dict[str, Any]

    def __init__(self) -> None:
        object.__setattr__(self, "_options", {})

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, self.__class__):
            return NotImplemented
        names = set(self._options) | set(other._options)
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def __ne__(self, other: object) -> Any:
        return not self == other if isinstance(other, self.__class__) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # how a class says that it has no hash

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(self, name):
            raise AttributeError(f"Cannot set the property {name} on {type(self).__name__}.")
        object.__setattr__(self, name, value)


def create_option(name: str, ty: Any, docstring: str, default_factory: Callable[[], Any] = lambda: None) -> Any:
    """A property that keeps an option of type `ty`."""

    def read(options: Any) -> Any:
        if name not in options._options:
            options._options[name] = default_factory()
        return options._options[name]

    def write(options: Any, value: Any) -> None:
        if value is not None and not isinstance(value, ty):
            raise TypeError(f'Property "{name}" must be of type {ty}, got: {value!r} (type: {type(value)!r})')
        options._options[name] = value

    return property(read, write, None, docstring)


def merge_options(*options_list: Any) -> Any:
    """One group of options out of several.

    Raises:
        TypeError: if they are of different classes, or no options.
        ValueError: if two set the same option to different values.
    """
    if not options_list:
        raise ValueError("At least one options should be provided")
    kind = type(options_list[0])
    for options in options_list:
        if not isinstance(options, kind):
            raise TypeError(f"Incompatible options type: {type(options)!r} vs {kind!r}")
    if not isinstance(options_list[0], OptionsBase):
        raise TypeError("The inputs should inherit from `OptionsBase`")
    default, result = kind(), kind()
    for options in options_list:
        for name in options._options:
            ours, theirs = getattr(result, name), getattr(options, name)
            if theirs == getattr(default, name):
                continue
            if ours == getattr(default, name):
                setattr(result, name, theirs)
            elif isinstance(ours, OptionsBase):
                setattr(result, name, merge_options(ours, theirs))
            elif ours != theirs:
                raise ValueError(f"Cannot merge incompatible values ({ours!r} and {theirs!r}) of option: {name}")
    return result


def _flag(name: str, docstring: str) -> Any:
    return create_option(name, bool, docstring)


@public("data.experimental.MapVectorizationOptions")
class MapVectorizationOptions(OptionsBase):
    """Whether functions of elements become functions of batches."""

    enabled = _flag("enabled", "Whether to vectorize map transformations. If None, defaults to False.")
    use_choose_fastest = _flag("use_choose_fastest", "Whether the faster of both forms is found out at run time.")

    def _static_optimizations(self) -> list[str]:
        return ["map_vectorization"] if self.enabled else []

    def _static_optimization_configs(self) -> list[str]:
        return [f"map_vectorization:use_choose_fastest:{'true' if self.use_choose_fastest else 'false'}"]


_ASKED_FOR = (
    "filter_fusion", "filter_with_random_uniform_fusion", "hoist_random_uniform", "map_and_batch_fusion",
    "map_and_filter_fusion", "map_parallelization", "map_fusion", "noop_elimination", "parallel_batch",
    "shuffle_and_repeat_fusion",
)  # fmt: skip
_BY_DEFAULT = ("map_and_batch_fusion", "noop_elimination", "shuffle_and_repeat_fusion")


@public("data.experimental.OptimizationOptions")
class OptimizationOptions(OptionsBase):
    """How datasets are rewritten before they run."""

    apply_default_optimizations = _flag("apply_default_optimizations", "Whether to rewrite what is not asked for.")
    autotune = _flag("autotune", "Whether to tune sizes and numbers of threads. If None, defaults to True.")
    autotune_algorithm = create_option("autotune_algorithm", int, "The algorithm that tunes.")
    autotune_buffers = _flag("autotune_buffers", "Whether to tune the sizes of buffers. If None, defaults to False.")
    autotune_cpu_budget = create_option("autotune_cpu_budget", int, "How many processors may be used.")
    filter_fusion = _flag("filter_fusion", "Whether to fuse filters. If None, defaults to False.")
    filter_with_random_uniform_fusion = _flag(
        "filter_with_random_uniform_fusion", "Whether a filter by a random number becomes sampling. Defaults to False."
    )
    hoist_random_uniform = _flag("hoist_random_uniform", "Whether random numbers leave functions. Defaults to False.")
    map_and_batch_fusion = _flag("map_and_batch_fusion", "Whether to fuse map and batch. If None, defaults to True.")
    map_and_filter_fusion = _flag("map_and_filter_fusion", "Whether to fuse map and filter. Defaults to False.")
    map_fusion = _flag("map_fusion", "Whether to fuse maps. If None, defaults to False.")
    map_parallelization = _flag("map_parallelization", "Whether maps run in parallel. If None, defaults to False.")
    map_vectorization = create_option(
        "map_vectorization",
        MapVectorizationOptions,
        "Whether functions of elements become functions of batches.",
        MapVectorizationOptions,
    )
    noop_elimination = _flag("noop_elimination", "Whether what does nothing goes. If None, defaults to True.")
    parallel_batch = _flag("parallel_batch", "Whether to copy elements of a batch in parallel. Defaults to False.")
    shuffle_and_repeat_fusion = _flag(
        "shuffle_and_repeat_fusion", "Whether to fuse shuffle and repeat. If None, defaults to True."
    )

    def _static_optimizations(self) -> list[str]:
        chosen = {name for name in _ASKED_FOR if getattr(self, name)}
        if self.apply_default_optimizations is not False:
            chosen.update(name for name in _BY_DEFAULT if getattr(self, name) is not False)
        if self.map_vectorization is not None:
            chosen.update(self.map_vectorization._static_optimizations())
        if self.autotune is not False and self.autotune_buffers:
            chosen.add("inject_prefetch")
        return sorted(chosen)

    def _static_optimization_configs(self) -> list[str]:
        return [] if self.map_vectorization is None else self.map_vectorization._static_optimization_configs()


@public("data.experimental.DistributeOptions")
class DistributeOptions(OptionsBase):
    """How a dataset is divided between workers."""

    auto_shard = create_option("auto_shard", bool, "Whether each worker gets a part of its own.", lambda: True)
    _make_stateless = _flag("_make_stateless", "Whether the pipeline is to hold no state.")
    num_devices = create_option("num_devices", int, "The number of devices that take from this pipeline.")


@public("data.experimental.ThreadingOptions")
class ThreadingOptions(OptionsBase):
    """How many threads work for a dataset."""

    max_intra_op_parallelism = create_option("max_intra_op_parallelism", int, "Threads within an op.")
    private_threadpool_size = create_option("private_threadpool_size", int, "Threads of the dataset's own.")


@public("data.experimental.StatsOptions")
class StatsOptions(OptionsBase):
    """Which statistics are gathered, and where."""

    aggregator = create_option("aggregator", object, "Where the statistics go.")
    prefix = create_option("prefix", str, "What their names begin with.", lambda: "")
    counter_prefix = create_option("counter_prefix", str, "What the names of counters begin with.", lambda: "")
    latency_all_edges = _flag("latency_all_edges", "Whether latencies are measured everywhere. Defaults to False.")


@public("data.Options")
class Options(OptionsBase):
    """Options of a dataset, for `Dataset.with_options`."""

    experimental_deterministic = _flag("experimental_deterministic", "Whether the order is kept. Defaults to True.")
    experimental_distribute = create_option(
        "experimental_distribute", DistributeOptions, "How the dataset is divided.", DistributeOptions
    )
    experimental_optimization = create_option(
        "experimental_optimization", OptimizationOptions, "How the dataset is rewritten.", OptimizationOptions
    )
    experimental_slack = _flag("experimental_slack", "Whether the last prefetch gets some slack. Defaults to False.")
    experimental_stats = create_option("experimental_stats", StatsOptions, "Statistics.", StatsOptions)
    experimental_threading = create_option("experimental_threading", ThreadingOptions, "Threads.", ThreadingOptions)
    experimental_stateful_whitelist = create_option(
        "experimental_stateful_whitelist", list, "Stateful ops that may be part of a saved dataset."
    )

    def _static_optimizations(self) -> list[str]:
        result = list(self.experimental_optimization._static_optimizations())
        if self.experimental_deterministic is False:
            result.append("make_sloppy")
        if self.experimental_stats and self.experimental_stats.latency_all_edges:
            result.append("latency_all_edges")
        if self.experimental_slack:
            result.append("slack")
        if self.experimental_distribute and self.experimental_distribute._make_stateless:
            result.append("make_stateless")
        return result

    def _static_optimization_configs(self) -> list[str]:
        result = []
        if self.experimental_optimization:
            result.extend(self.experimental_optimization._static_optimization_configs())
        if self.experimental_slack:
            devices = self.experimental_distribute.num_devices
            result.append(f"slack:slack_period:{1 if devices is None else devices}")
        return result

    def merge(self, options: Any) -> Options:
        """These options and others.

        Raises:
            ValueError: if both set an option, to different values.
        """
        return merge_options(self, options)
