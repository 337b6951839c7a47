"""The ops of a Saver, in the graph under TensorFlow's names.

save/Const ──► save/SaveV2 ──► save/control_dependency
     └───────► save/RestoreV2 ──► save/Assign, save/Assign_1, ... ──► save/restore_all
"""

from __future__ import annotations

import uuid
from typing import Any

from evergraph.framework import devices
from evergraph.framework.graph import get_default_graph
from evergraph.framework.operation import Operation
from evergraph.framework.scopes import control_dependencies, device, name_scope
from evergraph.framework.tensor import Tensor
from evergraph.ops.constant import constant
from evergraph.ops.grouping import group, with_dependencies
from evergraph.ops.identity import placeholder_with_default
from evergraph.ops.opdef import raw_op
from evergraph.ops.partitioned import PartitionedVariable
from evergraph.ops.shaping import shape as shape_of
from evergraph.training import saveable as saveables_of
from evergraph.training.saveable import SaveableObject as Saveable
from evergraph.training.saveable import on_cpu

LEGACY, V1, V2 = 0, 1, 2


class BaseSaverBuilder:
    """Builds the ops that save and restore. A subclass may change single steps.

    Args:
        write_version: `SaverDef.V2`, or `SaverDef.V1` for the older format.
    """

    SaveSpec = saveables_of.SaveSpec
    SaveableObject = Saveable
    VariableSaveable = saveables_of.ReferenceVariableSaveable
    ResourceVariableSaveable = saveables_of.ResourceVariableSaveable

    def __init__(self, write_version: int = V2) -> None:
        self._write_version = write_version

    # The steps

    def save_op(self, filename_tensor: Tensor, saveables: list[Saveable]) -> Operation:
        """Add the op that writes `saveables` to `filename_tensor`."""
        specs = [spec for saveable in saveables for spec in saveable.specs]
        names = [spec.name for spec in specs]
        tensors = [spec.tensor for spec in specs]
        slices = [spec.slice_spec for spec in specs]
        if self._write_version == V1:
            return raw_op("SaveSlices")(filename_tensor, names, slices, tensors, name="save")
        if self._write_version == V2:
            return raw_op("SaveV2")(filename_tensor, names, slices, tensors)
        raise RuntimeError(f"Unexpected write_version: {self._write_version}")

    def bulk_restore(
        self, filename_tensor: Tensor, saveables: list[Saveable], preferred_shard: int, restore_sequentially: bool
    ) -> list[Tensor]:
        """Add the ops that read all tensors of `saveables`: here, one for each."""
        tensors: list[Tensor] = []
        for saveable in saveables:
            with device(on_cpu(saveable.device) if saveable.device else None):
                tensors.extend(self.restore_op(filename_tensor, saveable, preferred_shard))
        return tensors

    def restore_op(self, filename_tensor: Tensor, saveable: Saveable, preferred_shard: int) -> list[Tensor]:
        """Add the ops that read the tensors of one `saveable`."""
        return [
            raw_op("RestoreV2")(filename_tensor, [spec.name], [spec.slice_spec], [spec.dtype.base_dtype])[0]
            for spec in saveable.specs
        ]

    def sharded_filename(self, filename_tensor: Tensor, shard: int, num_shards: Tensor) -> Tensor:
        """Add the op that names the file of a shard."""
        return raw_op("ShardedFilename")(filename_tensor, shard, num_shards)

    # Saving

    def _AddSaveOps(self, filename_tensor: Tensor, saveables: list[Saveable]) -> Tensor:
        return with_dependencies([self.save_op(filename_tensor, saveables)], filename_tensor)

    def _AddShardedSaveOps(self, filename_tensor: Tensor, per_device: list[Any]) -> Tensor:
        if self._write_version == V2:
            return self._AddShardedSaveOpsForV2(filename_tensor, per_device)
        count = constant(len(per_device), name="num_shards")
        saves = []
        for shard, (where, saveables) in enumerate(per_device):
            with device(where):
                saves.append(self._AddSaveOps(self.sharded_filename(filename_tensor, shard, count), saveables))
        with control_dependencies([save.op for save in saves]):
            return raw_op("ShardedFilespec")(filename_tensor, count)

    def _AddShardedSaveOpsForV2(self, checkpoint_prefix: Tensor, per_device: list[Any]) -> Tensor:
        """Each device writes a checkpoint of its own into a temporary folder; then all become one."""
        folder = raw_op("StringJoin")([checkpoint_prefix, f"_temp_{uuid.uuid4().hex}/part"])
        count = constant(len(per_device), name="num_shards")
        saves, prefixes = [], []
        last = None
        for shard, (where, saveables) in enumerate(per_device):
            last = where
            with device(on_cpu(where)):
                prefixes.append(self.sharded_filename(folder, shard, count))
                saves.append(self._AddSaveOps(prefixes[-1], saveables))
        with control_dependencies([save.op for save in saves]), device(on_cpu(last)):
            merge = raw_op("MergeV2Checkpoints")(prefixes, checkpoint_prefix, delete_old_dirs=True)
            with control_dependencies([merge]):
                return raw_op("Identity")(checkpoint_prefix)

    # Restoring

    def _AddRestoreOps(
        self,
        filename_tensor: Tensor,
        saveables: list[Saveable],
        restore_sequentially: bool,
        reshape: bool,
        preferred_shard: int = -1,
        name: str = "restore_all",
    ) -> Operation:
        tensors = self.bulk_restore(filename_tensor, saveables, preferred_shard, restore_sequentially)
        assigns = []
        position = 0
        for saveable in saveables:
            shapes: list[Any] | None = None
            if reshape:
                shapes = []
                for spec in saveable.specs:
                    tensor = spec.tensor
                    known = tensor.get_shape()
                    shapes.append(known if known.is_fully_defined() else shape_of(tensor))
            own = tensors[position : position + len(saveable.specs)]
            position += len(saveable.specs)
            assigns.append(saveable.restore(own, shapes))
        return group(*assigns, name=name)

    def _AddShardedRestoreOps(
        self, filename_tensor: Tensor, per_device: list[Any], restore_sequentially: bool, reshape: bool
    ) -> Operation:
        restores = []
        for shard, (where, saveables) in enumerate(per_device):
            with device(where):
                restores.append(
                    self._AddRestoreOps(
                        filename_tensor, saveables, restore_sequentially, reshape, shard, name="restore_shard"
                    )
                )
        return group(*restores, name="restore_all")

    def _GroupByDevices(self, saveables: list[Saveable]) -> list[tuple[str, list[Saveable]]]:
        per_device: dict[str, list[Saveable]] = {}
        for saveable in saveables:
            places = {devices.canonical_name(spec.tensor.device) for spec in saveable.specs}
            if len(places) != 1:
                raise ValueError(f"All tensors of a saveable object must be on the same device: {saveable.name}")
            per_device.setdefault(places.pop(), []).append(saveable)
        return sorted(per_device.items(), key=lambda item: item[0])

    # The whole

    def build(
        self,
        names_to_saveables: Any,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        filename: Any = "model",
    ) -> Any:
        """Add all ops; gives the `SaverDef` that names them. The arguments are those of `Saver`."""
        return self._build_internal(
            names_to_saveables,
            reshape=reshape,
            sharded=sharded,
            max_to_keep=max_to_keep,
            keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours,
            name=name,
            restore_sequentially=restore_sequentially,
            filename=filename,
        )

    def _build_internal(
        self,
        names_to_saveables: Any,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        restore_sequentially: bool = False,
        filename: Any = "model",
        build_save: bool = True,
        build_restore: bool = True,
    ) -> Any:
        from evergraph.formats import messages

        if not build_save or not build_restore:
            raise ValueError("save and restore operations need to be built together")
        saveables = saveables_of.validate_and_slice_inputs(names_to_saveables)
        with name_scope(name, "save", [saveable.op for saveable in saveables]) as scope:
            name = scope
            path = placeholder_with_default(filename or "model", shape=(), name="filename")
            path = placeholder_with_default(path, shape=(), name="Const")
            if sharded:
                per_device = self._GroupByDevices(saveables)
                save = self._AddShardedSaveOps(path, per_device)
                restore = self._AddShardedRestoreOps(path, per_device, restore_sequentially, reshape)
            else:
                save = self._AddSaveOps(path, saveables)
                restore = self._AddRestoreOps(path, saveables, restore_sequentially, reshape)
        _concatenate_collected()
        return messages.SaverDef(
            filename_tensor_name=path.name,
            save_tensor_name=save.name,
            restore_op_name=restore.name,
            max_to_keep=max_to_keep or 0,
            sharded=sharded,
            keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours,
            version=self._write_version,
        )


def _concatenate_collected() -> None:
    """Give each partitioned variable in a collection an op of its name: a meta graph names it there."""
    graph = get_default_graph()
    for key in graph.get_all_collection_keys():
        for item in graph.get_collection(key):
            if isinstance(item, PartitionedVariable) and item.name not in graph._by_name:
                item.as_tensor()


class BulkSaverBuilder(BaseSaverBuilder):
    """Restores all tensors with one op: what a Saver uses unless told otherwise."""

    def bulk_restore(
        self, filename_tensor: Tensor, saveables: list[Saveable], preferred_shard: int, restore_sequentially: bool
    ) -> list[Tensor]:
        """Add the op that reads all tensors of `saveables`."""
        specs = [spec for saveable in saveables for spec in saveable.specs]
        names = [spec.name for spec in specs]
        slices = [spec.slice_spec for spec in specs]
        with device("cpu:0"):
            return raw_op("RestoreV2")(filename_tensor, names, slices, [spec.dtype.base_dtype for spec in specs])
