"""Where TensorFlow's internal names are in its public API.

`tensorflow.python.ops.array_ops.depth_to_space_v2` is `tf.nn.depth_to_space`. The table, `internal_names.txt`, is made
from TensorFlow 1.15 itself by tools/list_internal_names.py: a line per internal module, with `name` where the public
name is `tf.name` and `name=public.name` elsewhere. A name with no public form may be listed in `OURS`, with the place
where Evergraph has it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_FUNCTIONS = "compat.internal_functions:"
_DECORATOR = _FUNCTIONS + "unchanged_with_arguments"

# Internal names that have no public form, and public programs use: a public name, or "module:attribute" of Evergraph.
OURS: dict[str, dict[str, str]] = {
    "python.client.device_lib": {"list_local_devices": "compat.device_lib:list_local_devices"},
    "python.client.session": {
        "BaseSession": "runtime.session:BaseSession",
        "_DeviceAttributes": "runtime.devices:DeviceAttributes",
    },
    "python.client.timeline": {"Timeline": "runtime.timeline:Timeline"},
    "python.data.ops.dataset_ops": {
        **{name: f"data.internal_classes:{name}" for name in ("MapDataset", "ParallelMapDataset")},
        "DatasetV1Adapter": "data.dataset:DatasetV1Adapter",
        "get_legacy_output_classes": "data.get_output_classes",
        "get_legacy_output_shapes": "data.get_output_shapes",
        "get_legacy_output_types": "data.get_output_types",
    },
    "python.data.util.convert": {
        "optional_param_to_tensor": "data.built:optional_param_to_tensor",
        "partial_shape_to_tensor": "data.batching:shape_to_tensor",
    },
    "python.data.util.nest": {
        name: f"data.nest:{name}"
        for name in (
            "assert_same_structure", "assert_shallow_structure", "flatten", "flatten_up_to", "is_sequence",
            "map_structure", "map_structure_up_to", "pack_sequence_as",
        )
    },
    "python.data.util.options": {
        name: f"data.options:{name}" for name in ("OptionsBase", "create_option", "merge_options")
    },
    "python.data.util.random_seed": {"get_seed": "data.seeds:get_seed"},
    "python.data.util.structure": {
        name: f"data.structure:{name}"
        for name in (
            "are_compatible", "convert_legacy_structure", "from_compatible_tensor_list", "from_tensor_list",
            "get_flat_tensor_shapes", "get_flat_tensor_specs", "get_flat_tensor_types", "normalize_element",
            "to_batched_tensor_list", "to_tensor_list", "type_spec_from_value",
        )
    },
    "python.eager.context": {name: _FUNCTIONS + name for name in ("executing_eagerly", "graph_mode", "num_gpus")},
    "python.eager.function": {"defun": "contrib.eager.defun"},
    "python.eager.lift_to_graph": {"UnliftableError": "training.saved_model.pruned_functions:UnliftableError"},
    "python.framework.function": {
        "Defun": "ops.functions.defun:Defun",
        "_DefinedFunction": "ops.functions.defun:DefinedFunction",
        "_OverloadedFunction": "ops.functions.defun:OverloadedFunction",
        **{
            name: f"ops.functions.defun:{name}" for name in ("get_extra_args", "get_extra_inputs", "get_extra_vars")
        },
        "_from_definition": "ops.functions.library:from_definition",
        "from_library": "ops.functions.library:from_library",
    },
    "python.framework.graph_to_function_def": {
        "graph_to_function_def": "ops.functions.library:graph_to_function_def"
    },
    "python.ops.cond_v2": {
        "cond_v2": "ops.functions.functional_cond:cond",
        "indexed_case": "ops.functions.functional_cond:indexed_case",
    },
    "python.ops.while_v2": {"while_loop": "ops.functions.functional_while:while_loop"},
    "python.ops.functional_ops": {
        name: f"ops.functions.branches:{name}"
        for name in ("For", "Gradient", "If", "While", "partitioned_call", "remote_call")
    },
    "python.profiler.model_analyzer": {
        "ALL_ADVICE": "training.profiler.advice:ALL_ADVICE",
    },
    "python.profiler.profile_context": {
        name: f"training.profiler.context:{name}" for name in ("MAX_TRACED_STEPS", "ProfileContext", "WARMUP_STEPS")
    },
    "python.profiler.tfprof_logger": {
        **{name: f"training.profiler.op_log:{name}" for name in ("TRAINABLE_VARIABLES", "merge_default_with_oplog")},
        "_fill_missing_graph_shape": "training.profiler.op_log:complete_shapes",
    },
    "python.framework.errors_impl": {"_make_specific_exception": "framework.errors:exception_from_error_code"},
    "python.framework.subscribe": {
        "_is_subscribed_identity": "ops.old_graphs.subscriptions:is_subscription",
        "subscribe": "ops.old_graphs.subscriptions:subscribe",
    },
    "python.framework.error_interpolation": {
        "create_graph_debug_info_def": "training.meta_graph:create_graph_debug_info_def"
    },
    "python.framework.graph_io": {"write_graph": "training.graph_io:write_graph"},
    "python.framework.meta_graph": {
        **{
            name: f"training.meta_graph:{name}"
            for name in (
                "_find_extraneous_saver_nodes", "copy_scoped_meta_graph", "create_meta_graph_def",
                "export_scoped_meta_graph", "import_scoped_meta_graph", "ops_used_by_graph_def",
                "import_scoped_meta_graph_with_return_elements", "read_meta_graph_file",
                "strip_graph_default_valued_attrs", "stripped_op_list_for_graph",
            )
        },
        "add_collection_def": "training.collection_defs:add_collection_def",
    },
    "python.framework.ops": {
        **{
            name: f"training.profiler.statistics:{name}"
            for name in ("OpStats", "RegisterStatistics", "get_stats_for_node_def")
        },
        **{
            name: f"framework.proto_functions:{name}"
            for name in (
                "get_collection_proto_type", "get_from_proto_function", "get_to_proto_function",
                "register_proto_function",
            )
        },
        "_default_graph_stack": "framework.stacks:graphs",
        "_default_session_stack": "framework.stacks:sessions",
        "convert_n_to_tensor": "framework.convert:convert_n_to_tensor",
        "get_gradient_function": "autodiff.registry:gradient_function",
        "internal_convert_to_tensor": "convert_to_tensor",
        "name_from_scope_name": _FUNCTIONS + "name_from_scope_name",
        "strip_name_scope": _FUNCTIONS + "strip_name_scope",
        "uid": _FUNCTIONS + "uid",
    },
    "python.ops.data_flow_ops": {
        "Barrier": "ops.queues.barrier_class:Barrier",
        "BaseStagingArea": "ops.queues.staging_classes:BaseStagingArea",
        "MapStagingArea": "contrib.staging.MapStagingArea",
        "RecordInput": "ops.readers.record_input:RecordInput",
        "StagingArea": "contrib.staging.StagingArea",
    },
    "python.ops.critical_section_ops": {
        name: f"ops.queues.critical_section:{name}" for name in ("CRITICAL_SECTIONS", "CRITICAL_SECTION_EXECUTIONS")
    },
    "python.ops.image_ops_impl": {"_verify_compatible_image_shapes": "ops.image.quality:checked_alike"},
    "python.ops.lookup_ops": {
        name: f"contrib.lookup.{name}"
        for name in (
            "FastHashSpec", "HasherSpec", "IdTableWithHashBuckets", "InitializableLookupTableBase", "LookupInterface",
            "MutableHashTable", "StrongHashSpec", "TableInitializerBase", "TextFileIdTableInitializer",
            "TextFileStringTableInitializer", "index_table_from_file", "index_to_string_table_from_file",
            "index_to_string_table_from_tensor",
        )
    } | {"index_table_from_tensor": "ops.tables.vocabularies:index_table"},
    "python.ops.resource_variable_ops": {"variable_shape": "ops.resource_gather:variable_shape"},
    "python.ops.script_ops": {"_py_funcs": "ops.callbacks.py_functions:functions"},
    "python.ops.session_ops": {"TensorHandle": "ops.queues.session_tensors:TensorHandle"},
    "python.pywrap_tensorflow": {"EventsWriter": "compat.pywrap_events:EventsWriter"},
    "python.training.input": {
        "_as_original_type": "training.element_lists:as_given",
        "_as_tensor_list": "training.element_lists:as_list",
        "_as_tensor_list_list": "training.element_lists:as_lists",
    },
    "python.framework.common_shapes": {"broadcast_shape": "broadcast_static_shape"},
    "python.framework.random_seed": {"DEFAULT_GRAPH_SEED": _FUNCTIONS + "DEFAULT_GRAPH_SEED"},
    "python.framework.smart_cond": {
        "smart_case": "layers.smart_cond:smart_case",
        "smart_cond": "layers.smart_cond:smart_cond",
        "smart_constant_value": _FUNCTIONS + "smart_constant_value",
    },
    "python.framework.tensor_util": {"constant_value_as_shape": _FUNCTIONS + "constant_value_as_shape"},
    "python.framework.test_util": {
        "run_deprecated_v1": _FUNCTIONS + "unchanged",
        "run_in_graph_and_eager_modes": _DECORATOR,
        "run_v1_only": _DECORATOR,
    },
    "python.lib.io.file_io": {
        name: f"compat.gfile:{name}"
        for name in (
            "FileIO", "atomic_write_string_to_file", "file_crc32", "filecmp", "read_file_to_string",
            "write_string_to_file",
        )
    },
    "python.ops.array_ops": {"batch_gather_nd": "ops.gather:batch_gather_nd"},
    "python.ops.inplace_ops": {
        name: f"ops.old_graphs.inplace:{name}"
        for name in (
            "alias_inplace_add", "alias_inplace_sub", "alias_inplace_update", "empty", "empty_like", "inplace_add",
            "inplace_sub", "inplace_update",
        )
    },
    "python.ops.list_ops": {
        **{
            name: f"ops.tensor_lists.functions:{name}"
            for name in (
                "empty_tensor_list", "tensor_list_concat", "tensor_list_from_tensor", "tensor_list_gather",
                "tensor_list_get_item", "tensor_list_pop_back", "tensor_list_reserve", "tensor_list_scatter",
                "tensor_list_set_item", "tensor_list_split", "tensor_list_stack",
            )
        },
        **{
            name: f"ops.tensor_lists.list_ops:{name}"
            for name in (
                "tensor_list_concat_lists", "tensor_list_element_shape", "tensor_list_length", "tensor_list_push_back",
                "tensor_list_push_back_batch", "tensor_list_resize",
            )
        },
        "_build_element_shape": "ops.tensor_lists.functions:element_shape_operand",
    },
    "python.ops.tensor_array_grad": {"_GetGradSource": "ops.tensor_array:gradient_source"},
    "python.ops.control_flow_ops": {
        "CondContext": "ops.cond:CondContext",
        "ControlFlowContext": "ops.control_flow_context:ControlFlowContext",
        "WhileContext": "ops.while_context:WhileContext",
        "_Enter": "ops.control_flow:enter",
        "_Identity": "ops.control_flow:identity",
        "_NextIteration": "ops.control_flow:next_iteration",
        "_SwitchRefOrTensor": "ops.control_flow:switch_beside",
        "exit": "ops.control_flow:exit",
        "with_dependencies": "ops.grouping:with_dependencies",
    },
    "python.ops.ctc_ops": {
        **{
            name: f"ops.ctc.dense_loss:{name}"
            for name in (
                "_ctc_state_trans", "_forward_backward_log", "_ilabel_to_state", "_scan", "_state_to_olabel",
                "_state_to_olabel_unique", "_sum_states", "ctc_loss_and_grad", "ctc_loss_dense", "ctc_state_log_probs",
            )
        },
        "dense_labels_to_sparse": "ops.ctc.labels:dense_labels_to_sparse",
    },
    "python.ops.distributions.kullback_leibler": {
        "_DIVERGENCES": "ops.distributions.divergences:DIVERGENCES",
        "_registered_kl": "ops.distributions.divergences:registered_kl",
        "cross_entropy": "ops.distributions.divergences:cross_entropy",
    },
    "python.ops.distributions.special_math": {
        name: f"ops.distributions.tails:{name}" for name in (
            "LOGNDTR_FLOAT32_LOWER", "LOGNDTR_FLOAT32_UPPER", "LOGNDTR_FLOAT64_LOWER", "LOGNDTR_FLOAT64_UPPER",
            "erfinv", "log_cdf_laplace", "log_ndtr", "ndtr", "ndtri",
        )
    },
    "python.ops.distributions.util": {
        **{
            name: f"ops.distributions.parameters:{name}"
            for name in (
                "assert_integer_form", "assert_symmetric", "embed_check_categorical_event_shape",
                "embed_check_integer_casting_closed", "embed_check_nonnegative_integer_form", "gen_new_seed",
                "get_logits_and_probs", "log_combinations", "pick_vector",
            )
        },
        **{
            name: f"ops.distributions.known_values:{name}"
            for name in (
                "maybe_get_static_value", "parent_frame_arguments", "prefer_static_broadcast_shape",
                "prefer_static_rank", "prefer_static_shape", "prefer_static_value", "same_dynamic_shape",
            )
        },
        **{
            name: f"ops.distributions.softplus_sums:{name}"
            for name in ("reduce_weighted_logsumexp", "softplus_inverse")
        },
        **{
            name: f"ops.distributions.triangles:{name}"
            for name in ("fill_triangular", "fill_triangular_inverse", "matrix_diag_transform", "tridiag")
        },
        "rotate_transpose": "ops.linear_operators.circulant:rotate_transpose",
    },
    "python.ops.embedding_ops": {"_embedding_lookup_and_transform": "ops.embedding:lookup_and_transform"},
    "python.ops.init_ops_v2": {"_compute_fans": "ops.initializers:fans"},
    "python.ops.math_ops": {"_bucketize": "ops.histogram:bucketize"},
    "python.ops.nn_impl": {"_compute_sampled_logits": "ops.sampled_losses:compute_sampled_logits"},
    "python.ops.ragged.ragged_array_ops": {
        **{f"{new}": f"ops.ragged.rearranging:{new}" for new in ("expand_dims", "rank", "size", "tile")},
        "ragged_one_hot": "ops.ragged.rearranging:one_hot",
    },
    "python.ops.ragged.ragged_batch_gather_ops": {"batch_gather": "ops.ragged.gathering:batch_gather"},
    "python.ops.ragged.ragged_batch_gather_with_default_op": {
        "batch_gather_with_default": "ops.ragged.gathering_with_default:batch_gather_with_default"
    },
    "python.ops.ragged.ragged_concat_ops": {"concat": "ops.ragged.concatenating:concat"},
    "python.ops.ragged.ragged_conversion_ops": {
        "from_sparse": "ops.ragged.dense:ragged_from_sparse",
        "from_tensor": "ops.ragged.dense:ragged_from_tensor",
        "to_sparse": "ops.ragged.dense:ragged_to_sparse_tensor",
        "to_tensor": "ops.ragged.dense:ragged_to_tensor",
        "ragged_to_dense": "ops.ragged.to_dense:ragged_to_dense",
    },
    "python.ops.ragged.ragged_factory_ops": {
        "_default_inner_shape_for_pylist": "ops.ragged.factories:default_inner_shape",
        "_find_scalar_and_max_depth": "ops.ragged.factories:depths",
    },
    "python.ops.ragged.ragged_gather_ops": {
        name: f"ops.ragged.gathering:{name}" for name in ("gather", "gather_nd")
    },
    "python.ops.ragged.ragged_math_ops": {
        name: f"ops.ragged.reducing:{name}"
        for name in (
            "reduce_all", "reduce_any", "reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum",
            "segment_max", "segment_mean", "segment_min", "segment_prod", "segment_sqrt_n", "segment_sum",
        )
    },
    "python.ops.ragged.ragged_squeeze_op": {"squeeze": "ops.ragged.rearranging:squeeze"},
    "python.ops.ragged.ragged_string_ops": {
        "reduce_join": "ops.ragged.dispatching:ragged_reduce_join",
        "string_split_v2": "ops.strings.splitting:split_to_rows",
    },
    "python.ops.ragged.ragged_tensor": {
        "RaggedTensorType": "ops.ragged.spec:RaggedTensorType",
        "convert_to_tensor_or_ragged_tensor": "ops.ragged.tensor:as_tensor_or_ragged",
        "is_ragged": "ops.ragged.tensor:is_ragged",
        "match_row_splits_dtypes": "ops.ragged.tensor:match_row_splits_dtypes",
    },
    "python.ops.ragged.ragged_tensor_shape": {
        name: f"ops.ragged.dynamic_shape:{name}"
        for name in ("RaggedTensorDynamicShape", "broadcast_dynamic_shape", "broadcast_to")
    },
    "python.ops.ragged.ragged_util": {
        "assert_splits_match": "ops.ragged.splits:splits_match",
        "convert_to_int_tensor": "ops.ragged.splits:as_integers",
        "get_positive_axis": "ops.ragged.splits:positive_axis",
        "lengths_to_splits": "ops.ragged.splits:lengths_to_splits",
        "repeat": "ops.ragged.splits:repeat",
        "repeat_ranges": "ops.ragged.splits:repeat_ranges",
    },
    "python.ops.ragged.ragged_where_op": {"where": "ops.ragged.selecting:where"},
    "python.ops.gradients_impl": {"_hessian_vector_product": "autodiff.hessians:hessian_vector_product"},
    "python.ops.init_ops": {
        **{
            name: f"contrib.framework.{name}"
            for name in (
                "convolutional_delta_orthogonal", "convolutional_orthogonal_1d", "convolutional_orthogonal_2d",
                "convolutional_orthogonal_3d",
            )
        },
        "Initializer": "ops.initializers:Initializer",
        "_compute_fans": "ops.initializers:fans",
    },
    "python.ops.linalg.linear_operator_addition": {
        "_AddAndReturnDiag": "ops.linear_operators.addition:AddAndReturnDiag",
        "_AddAndReturnMatrix": "ops.linear_operators.addition:AddAndReturnMatrix",
        "_AddAndReturnScaledIdentity": "ops.linear_operators.addition:AddAndReturnScaledIdentity",
        "_AddAndReturnTriL": "ops.linear_operators.addition:AddAndReturnTriL",
        "_Adder": "ops.linear_operators.addition:Adder",
        "_Hints": "ops.linear_operators.addition:Hints",
        "add_operators": "ops.linear_operators.addition:add_operators",
    },
    "python.ops.linalg.linear_operator_algebra": {
        **{
            name: f"ops.linear_operators.algebra:{name}"
            for name in (
                "RegisterAdjoint", "RegisterCholesky", "RegisterInverse", "RegisterMatmul", "RegisterSolve", "adjoint",
                "cholesky", "inverse", "matmul", "solve",
            )
        },
        **{
            f"_{name}": f"ops.linear_operators.algebra:{name}"
            for name in (
                "registered_adjoint", "registered_cholesky", "registered_inverse", "registered_matmul",
                "registered_solve",
            )
        },
        "_ADJOINTS": "ops.linear_operators.algebra:ADJOINTS",
        "_CHOLESKY_DECOMPS": "ops.linear_operators.algebra:CHOLESKYS",
        "_INVERSES": "ops.linear_operators.algebra:INVERSES",
        "_MATMUL": "ops.linear_operators.algebra:MATMULS",
        "_SOLVE": "ops.linear_operators.algebra:SOLVES",
    },
    "python.ops.linalg.linear_operator_circulant": {"_to_complex": "ops.linear_operators.circulant:complex_of"},
    "python.ops.linalg.linear_operator_util": {
        **{
            name: f"ops.linear_operators.assertions:{name}"
            for name in (
                "assert_compatible_matrix_dimensions", "assert_no_entries_with_modulus_zero", "assert_not_ref_type",
                "assert_zero_imag_part", "convert_nonref_to_tensor", "is_ref",
                "use_operator_or_provided_hint_unless_contradicting",
            )
        },
        **{
            name: f"ops.linear_operators.batches:{name}"
            for name in (
                "broadcast_matrix_batch_dims", "cholesky_solve_with_broadcast", "matrix_solve_with_broadcast",
                "matrix_triangular_solve_with_broadcast", "shape_tensor",
            )
        },
    },
    "python.ops.signal.mel_ops": {
        "_hertz_to_mel": "ops.signal.mel:hertz_to_mel",
        "_mel_to_hertz": "ops.signal.mel:mel_to_hertz",
    },
    "python.ops.signal.util_ops": {"gcd": "ops.signal.frames:gcd"},
    "python.ops.sparse_ops": {
        "_DEFAULT_HASH_KEY": "ops.sparse.cross:DEFAULT_HASH_KEY",
        "_add_many_sparse_to_tensors_map": "ops.sparse.tensors_map:add_many_sparse_to_tensors_map",
        "_add_sparse_to_tensors_map": "ops.sparse.tensors_map:add_sparse_to_tensors_map",
        "_convert_to_sparse_tensor": "ops.sparse.conversion:as_sparse",
        "_convert_to_sparse_tensors": "ops.sparse.conversion:each_as_sparse",
        "_take_many_sparse_from_tensors_map": "ops.sparse.tensors_map:take_many_sparse_from_tensors_map",
        "deserialize_sparse": "ops.sparse.serialized:deserialize_sparse",
        "sparse_dense_cwise_add": "ops.sparse.adding:sparse_dense_cwise_add",
        "sparse_merge_impl": "sparse_merge",
    },
    "python.platform.googletest": {
        "GetTempDir": "test.get_temp_dir",
        "TestCase": "test.TestCase",
        "main": "test.main",
    },
    "python.ops.variables": {"_all_saveable_objects": "ops.variables:saveable_objects"},
    "python.ops.summary_ops_v2": {
        **{
            name: f"training.writer_summaries:{name}"
            for name in (
                "ResourceSummaryWriter", "SummaryWriter", "all_v2_summary_ops", "always_record_summaries", "audio",
                "create_db_writer", "create_file_writer", "create_summary_file_writer", "eval_dir", "flush", "generic",
                "graph", "histogram", "image", "import_event", "initialize", "never_record_summaries", "record_if",
                "record_summaries_every_n_global_steps", "scalar", "should_record_summaries",
                "summary_writer_initializer_op",
            )
        },
        **{
            name: f"training.step_summaries:{name}"
            for name in (
                "create_file_writer_v2", "create_noop_writer", "get_step", "set_step", "summary_scope", "trace_export",
                "trace_off", "trace_on", "write", "write_raw_pb",
            )
        },
    },
    "python.layers.utils": {
        **{
            name: f"compat.layer_internals:{name}"
            for name in ("constant_value", "deconv_output_length", "get_reachable_from_inputs", "normalize_padding")
        },
        "conv_input_length": "layers.geometry:input_length",
        "conv_output_length": "layers.geometry:output_length",
        "convert_data_format": "layers.geometry:op_layout",
        "normalize_data_format": "layers.geometry:checked_layout",
        "normalize_tuple": "layers.geometry:per_dimension",
        "smart_cond": "layers.smart_cond:smart_cond",
    },
    "python.ops.metrics_impl": {
        "_remove_squeezable_dimensions": "training.metrics.streaming:fitted",
        "metric_variable": "training.metrics.streaming:metric_variable",
    },
    "python.ops.rnn": {"_transpose_batch_time": "layers.rnn_step:time_and_batch_swapped"},
    "python.ops.rnn_cell_impl": {
        **{
            name: f"compat.layer_internals:{name}"
            for name in (
                "ASSERT_LIKE_RNNCELL_ERROR_REGEXP", "_BIAS_VARIABLE_NAME", "_WEIGHTS_VARIABLE_NAME", "_concat",
            )
        },
        "_zero_state_tensors": "layers.cells:zero_state_tensors",
        "assert_like_rnncell": "layers.cells:check_is_cell",
    },
    "python.ops.stateful_random_ops": {
        "RNG_ALG_PHILOX": "ops.generators.stateful:PHILOX",
        "RNG_ALG_THREEFRY": "ops.generators.stateful:THREEFRY",
        "_uint_to_int": "ops.generators.generator:signed",
    },
    "python.ops.summary_op_util": {
        name: f"ops.summary.functions:{name}" for name in ("clean_tag", "collect", "summary_scope")
    },
    "python.ops.variable_scope": {
        "_PartitionInfo": "ops.variable_store:PartitionInfo",
        "_get_default_variable_store": "ops.variable_store:variable_store",
    },
    "python.summary.plugin_asset": {
        name: f"training.plugin_asset:{name}" for name in ("PluginAsset", "get_all_plugin_assets", "get_plugin_asset")
    },
    "python.summary.summary_iterator": {"summary_iterator": "training.summary_writer:summary_iterator"},
    "python.summary.writer.event_file_writer": {"EventFileWriter": "training.event_file_writer:EventFileWriter"},
    "python.summary.writer.event_file_writer_v2": {
        "EventFileWriterV2": "training.session_event_writer:EventFileWriterV2"
    },
    "python.summary.writer.writer": {
        "FileWriter": "training.summary_writer:FileWriter",
        "SummaryToEventTransformer": "training.summary_writer:SummaryToEventTransformer",
        "_PLUGINS_DIR": "training.summary_writer:PLUGINS_DIR",
    },
    "python.summary.writer.writer_cache": {"FileWriterCache": "training.summary_writer:FileWriterCache"},
    "python.training.tensorboard_logging": {
        **{
            name: f"training.tensorboard_logging:{name}"
            for name in (
                "DEBUG", "ERROR", "FATAL", "INFO", "WARN", "debug", "error", "fatal", "get_verbosity", "info", "log",
                "set_summary_writer", "set_verbosity", "warn",
            )
        },
        "_clear_summary_writer": "training.tensorboard_logging:clear_summary_writer",
    },
    "python.training.tracking.tracking": {
        "AutoTrackable": "training.tracking.trackable:AutoTrackable",
        "TrackableAsset": "ops.assets:TrackableAsset",
        **{
            name: f"training.tracking.capturable:{name}"
            for name in ("CapturableResource", "CapturableResourceDeleter", "TrackableResource")
        },
    },
    "python.training.tracking.base": {
        "Trackable": "training.tracking.trackable:Trackable",
        "VARIABLE_VALUE_KEY": "training.tracking.trackable:VARIABLE_VALUE",
    },
    "python.training.tracking.util": {
        "Checkpoint": "training.tracking.checkpoint:Checkpoint",
        "gather_initializers": "training.tracking.checkpoint:gather_initializers",
        "list_objects": "training.tracking.checkpoint:list_objects",
        "object_metadata": "training.tracking.checkpoint:object_metadata",
    },
    "python.training.checkpoint_management": {
        name: f"training.checkpoint_management:{name}"
        for name in ("checkpoint_exists_internal", "meta_graph_filename", "update_checkpoint_state_internal")
    },
    "python.training.checkpoint_ops": {
        "_load_and_remap_matrix": "training.vocabulary_remapping:load_and_remap_matrix",
        "_load_and_remap_matrix_initializer": "training.vocabulary_remapping:load_and_remap_matrix_initializer",
        "_load_embedding_initializer": "training.vocabulary_remapping:load_embedding_initializer",
    },
    "python.training.checkpoint_utils": {
        "_get_checkpoint_filename": "training.checkpoint_utils:checkpoint_in",
        "wait_for_new_checkpoint": "training.checkpoint_utils:wait_for_new_checkpoint",
    },
    "python.training.basic_session_run_hooks": {
        **{
            name: f"training.session_run_hook:{name}"
            for name in ("SessionRunArgs", "SessionRunContext", "SessionRunHook", "SessionRunValues")
        },
        "NeverTriggerTimer": "training.hooks.timers:NeverTriggerTimer",
        "_HookTimer": "training.hooks.timers:HookTimer",
        "_MultiStepStopAtStepHook": "training.hooks.stopping:MultiStepStopAtStepHook",
        "_as_graph_element": "training.hooks.tensor_logging:graph_element",
        "get_or_create_steps_per_run_variable": "training.hooks.step_reading:get_or_create_steps_per_run_variable",
    },
    "python.training.experimental.loss_scale": {
        "_is_all_finite": "training.loss_scale:all_finite",
        "get": "training.loss_scale:loss_scale_for",
        "get_loss_scale_weights": "training.loss_scale:loss_scale_weights",
    },
    "python.training.device_setter": {
        "STANDARD_PS_OPS": "training.device_setter:STANDARD_PS_OPS",
        "_RoundRobinStrategy": "training.device_setter:RoundRobinStrategy",
    },
    "python.training.evaluation": {
        "_MultiStepStopAfterNEvalsHook": "training.evaluation:MultiStepStopAfterNEvalsHook",
        "_StopAfterNEvalsHook": "training.evaluation:StopAfterNEvalsHook",
        "_evaluate_once": "training.evaluation:evaluate_once",
        "_get_latest_eval_step_value": "training.evaluation:latest_eval_step_value",
        "_get_or_create_eval_step": "training.evaluation:get_or_create_eval_step",
    },
    "python.training.monitored_session": {
        "USE_DEFAULT": "training.monitored_session:USE_DEFAULT",
        "_CoordinatedSession": "training.session_layers:CoordinatedSession",
        "_HookedSession": "training.session_layers:HookedSession",
        "_MonitoredSession": "training.monitored_session:BaseMonitoredSession",
        "_PREEMPTION_ERRORS": "training.session_layers:PREEMPTION_ERRORS",
        "_RecoverableSession": "training.session_layers:RecoverableSession",
        "_WrappedSession": "training.session_layers:WrappedSession",
    },
    "python.training.session_manager": {"_ready": "training.session_manager:is_ready"},
    "python.training.supervisor": {
        "SVStepCounterThread": "training.standard_services:StepCounterThread",
        "SVSummaryThread": "training.standard_services:SummaryThread",
        "SVTimerCheckpointThread": "training.standard_services:CheckpointThread",
    },
    "python.training.slot_creator": {
        name: f"training.slots:{name}" for name in ("create_slot", "create_slot_with_initializer", "create_zeros_slot")
    },
    "python.training.training_util": {
        "GLOBAL_STEP_READ_KEY": "training.global_step:READ_KEY",
        "_get_or_create_global_step_read": "training.global_step:read_global_step",
        "_increment_global_step": "training.global_step:increment_global_step",
    },
    "python.ops.resources": {
        name: f"training.resources:{name}"
        for name in (
            "initialize_resources", "local_resources", "register_resource", "report_uninitialized_resources",
            "shared_resources",
        )
    },
    "python.training.warm_starting_util": {
        "_get_var_info": "training.warm_starting:get_var_info",
        "_infer_var_name": "training.warm_starting:infer_var_name",
        "_warm_start_var_with_vocab": "training.warm_starting:warm_start_var_with_vocab",
    },
    "python.tools.freeze_graph": {
        name: f"training.freeze_graph:{name}" for name in ("freeze_graph", "freeze_graph_with_def_protos")
    },
    "python.training.saver": {
        "BaseSaverBuilder": "training.saver_builder:BaseSaverBuilder",
        "BulkSaverBuilder": "training.saver_builder:BulkSaverBuilder",
        "_get_saver_or_default": "training.saver:get_saver_or_default",
        "_import_meta_graph_with_return_elements": "training.meta_graph_import:import_meta_graph_with_return_elements",
        "object_graph_key_mapping": "training.object_names:object_graph_key_mapping",
        "saver_from_object_based_checkpoint": "training.saver:saver_from_object_based_checkpoint",
    },
    "python.training.saving.saveable_object": {
        name: f"training.saveable:{name}" for name in ("SaveSpec", "SaveableObject")
    },
    "python.training.saving.saveable_object_util": {
        name: f"training.saveable:{name}"
        for name in (
            "ReferenceVariableSaveable", "ResourceVariableSaveable", "op_list_to_dict", "saveable_objects_for_op",
            "validate_and_slice_inputs",
        )
    },
    "python.saved_model.builder_impl": {
        "_SavedModelBuilder": "training.saved_model.builder:GraphsBuilder",
        "copy_assets_to_destination_dir": "training.saved_model.assets:copy_assets_to_destination_dir",
        "get_asset_filename_to_add": "training.saved_model.assets:get_asset_filename_to_add",
    },
    "python.saved_model.builder": {"_SavedModelBuilder": "training.saved_model.builder:GraphsBuilder"},
    "python.saved_model.constants": {
        name: f"training.saved_model.constants:{name}"
        for name in ("EXTRA_ASSETS_DIRECTORY", "INIT_OP_SIGNATURE_KEY", "TRAIN_OP_KEY", "TRAIN_OP_SIGNATURE_KEY")
    },
    "python.saved_model.loader_impl": {
        name: f"training.saved_model.loader:{name}"
        for name in ("SavedModelLoader", "get_init_op", "get_train_op", "parse_saved_model")
    },
    "python.saved_model.load": {"load": "saved_model.load_v2"},
    "python.saved_model.load_v1_in_v2": {"load": "saved_model.load_v2"},
    "python.saved_model.model_utils.export_output": {
        "EvalOutput": "training.saved_model.export_outputs:EvalOutput",
        "TrainOutput": "training.saved_model.export_outputs:TrainOutput",
        "_SupervisedOutput": "training.saved_model.export_outputs:SupervisedOutput",
    },
    "python.saved_model.nested_structure_coder": {
        "NotEncodableError": "training.saved_model.structures:NotEncodableError",
        "StructureCoder": "training.saved_model.structures:StructureCoder",
    },
    "python.saved_model.save": {"save": "saved_model.save"},
    "python.saved_model.signature_constants": {
        name: f"training.saved_model.constants:{name}"
        for name in (
            "DEFAULT_EVAL_SIGNATURE_DEF_KEY", "DEFAULT_TRAIN_SIGNATURE_DEF_KEY", "SUPERVISED_EVAL_METHOD_NAME",
            "SUPERVISED_TRAIN_METHOD_NAME",
        )
    },
    "python.saved_model.signature_def_utils_impl": {
        name: f"training.saved_model.signatures:{name}"
        for name in (
            "load_op_from_signature_def", "op_signature_def", "supervised_eval_signature_def",
            "supervised_train_signature_def",
        )
    },
    "python.saved_model.tag_constants": {"EVAL": "training.saved_model.constants:EVAL"},
    **{
        module: {
            name: f"training.saved_model.signatures:{name}"
            for name in ("build_tensor_info_from_op", "get_element_from_tensor_info")
        }
        for module in ("python.saved_model.utils", "python.saved_model.utils_impl")
    },
    "python.tf2": {"enabled": _FUNCTIONS + "version_2_is_enabled"},
    "python.util.all_util": {"remove_undocumented": _FUNCTIONS + "remove_undocumented"},
    "python.util.deprecation": {
        "deprecated": _DECORATOR,
        "deprecated_arg_values": _DECORATOR,
        "deprecated_args": _DECORATOR,
        "deprecated_argument_lookup": _FUNCTIONS + "deprecated_argument_lookup",
        "deprecated_endpoints": _DECORATOR,
    },
    "python.util.nest": {
        name: f"framework.nest:{name}"
        for name in (
            "assert_shallow_structure", "flatten_dict_items", "flatten_up_to", "flatten_with_joined_string_paths",
            "get_traverse_shallow_structure", "is_sequence", "map_structure_up_to", "yield_flattened_paths",
        )
    },
    "python.util.tf_export": {"estimator_export": _DECORATOR, "keras_export": _DECORATOR, "tf_export": _DECORATOR},
    "python.util.tf_inspect": {
        name: f"compat.inspection:{name}"
        for name in ("getargspec", "getfullargspec", "getcallargs", "getdoc", "getmembers", "getmodule", "getmro",
                     "getsource", "isclass", "isfunction", "isgenerator", "ismethod", "ismodule", "isroutine", "stack")
    },
}  # fmt: skip

# Internal packages and modules that are a public namespace themselves.
MIRRORS = {
    "python.estimator": "estimator",
    "python.keras": "keras",
    "python.platform.app": "app",
    "python.platform.flags": "flags",
    "python.platform.gfile": "gfile",
    "python.platform.resource_loader": "resource_loader",
    "python.platform.sysconfig": "sysconfig",
    "python.platform.test": "test",
    "python.platform.tf_logging": "logging",
}

# Modules inside contrib packages that are a public namespace themselves.
CONTRIB_MIRRORS = {"contrib.summary.summary": "contrib.summary"}

# Modules inside contrib packages that hold names with no public form, and where Evergraph has those.
CONTRIB = {
    "contrib.opt.python.training.matrix_functions": "contrib.optimizers.matrix_roots",
    "contrib.opt.python.training.sign_decay": "contrib.optimizers.sign_decay",
}

RAW_OPS = re.compile(r"python\..*\bgen_\w+$")


@cache
def table() -> dict[str, dict[str, str]]:
    """Internal module (below `tensorflow.`) to its names and their public names."""
    text = resources.files(__package__).joinpath("internal_names.txt").read_text()
    modules: dict[str, dict[str, str]] = {module: {} for module in OURS}
    for line in text.splitlines():
        module, *entries = line.split(" ")
        modules[module] = {name: full or name for name, _, full in (entry.partition("=") for entry in entries)}
    for module in list(modules):  # packages that hold listed modules
        while "." in module:
            module = module.rpartition(".")[0]
            modules.setdefault(module, {})
    return modules


@cache
def public_names() -> frozenset[str]:
    """Public names of TensorFlow 1.15 that the table knows: functions and classes, not namespaces."""
    return frozenset(full for names in table().values() for full in names.values())


def letters(name: str) -> str:
    """The letters of a name alone: those of `conv2d_backprop_input` and `Conv2DBackpropInput` agree."""
    return name.replace("_", "").lower()
