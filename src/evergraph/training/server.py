"""`tf.train.Server`: a place where variables live on between sessions, in this process.

A server of a cluster with one task is all here: its sessions run in this process and share what they hold. The tasks of
larger clusters have to find each other over a network, which is not there yet: a session refuses ops that are placed on
the devices of another task.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

from evergraph.framework import errors
from evergraph.framework.api import public
from evergraph.runtime.served import SERVED, Served
from evergraph.training.cluster_spec import ClusterSpec

_ports = itertools.count(49152)  # where ports for anybody's use begin; nothing listens there


def _server_def(server_or_cluster_def: Any, job_name: Any, task_index: Any, protocol: Any, config: Any) -> Any:
    """The `ServerDef` that the arguments of `Server` ask for."""
    from evergraph.formats import messages

    made = messages.ServerDef()
    if getattr(getattr(server_or_cluster_def, "DESCRIPTOR", None), "full_name", "") == "tensorflow.ServerDef":
        made.MergeFrom(server_or_cluster_def)
        for field, value in (("job_name", job_name), ("task_index", task_index), ("protocol", protocol)):
            if value is not None:
                setattr(made, field, value)
    else:
        try:
            cluster = ClusterSpec(server_or_cluster_def)
        except TypeError:
            raise TypeError(
                "Could not convert `server_or_cluster_def` to a `tf.train.ServerDef` or `tf.train.ClusterSpec`: it is "
                f"{type(server_or_cluster_def)}"
            ) from None
        if job_name is None:
            if len(cluster.jobs) != 1:
                raise ValueError("Must specify an explicit `job_name`.")
            job_name = cluster.jobs[0]
        if task_index is None:
            indices = cluster.task_indices(job_name)
            if len(indices) != 1:
                raise ValueError("Must specify an explicit `task_index`.")
            task_index = indices[0]
        made.cluster.CopyFrom(cluster.as_cluster_def())
        made.job_name, made.task_index, made.protocol = job_name, task_index, protocol or "grpc"
    if config is not None:
        made.default_session_config.MergeFrom(config)
    return made


def _address(server_def: Any) -> str:
    """The address of the server's own task."""
    jobs = {job.name: dict(job.tasks) for job in server_def.cluster.job}
    if server_def.job_name not in jobs:
        raise errors.InternalError(None, None, f'Job "{server_def.job_name}" was not defined in cluster')
    tasks = jobs[server_def.job_name]
    if server_def.task_index not in tasks:
        raise errors.InternalError(
            None, None, f"Task {server_def.task_index} was not defined in job {server_def.job_name!r}"
        )
    return tasks[server_def.task_index]


@public("train.Server", "distribute.Server")
class Server:
    """A task of a cluster, with this process's devices: sessions on its `target` share variables, queues and tables.

    Args:
        server_or_cluster_def: a `ServerDef`, or a `ClusterSpec` or what makes one.
        job_name: the server's job; by default the only one.
        task_index: its number there; by default the only one.
        protocol: "grpc".
        config: the `ConfigProto` of its sessions by default.
        start: whether to start it.

    Raises:
        InternalError: if the cluster has no such job or task.
        InvalidArgumentError: if its address has no port.
        UnknownError: if another server of this process has that address.

    >>> server = tf.train.Server.create_local_server()
    >>> v = tf.Variable(1.0)
    >>> with tf.Session(server.target) as first:
    ...     first.run(v.initializer)
    >>> with tf.Session(server.target) as second:
    ...     second.run(v)
    1.0
    """

    def __init__(
        self,
        server_or_cluster_def: Any,
        job_name: str | None = None,
        task_index: int | None = None,
        protocol: str | None = None,
        config: Any = None,
        start: bool = True,
    ) -> None:
        self._server_def = _server_def(server_or_cluster_def, job_name, task_index, protocol, config)
        address = _address(self._server_def)
        port = address.rpartition(":")[2] if ":" in address else ""
        if not port.isdecimal():
            raise errors.InvalidArgumentError(None, None, f'Could not parse port for local server from "{address}".')
        self._target = f"grpc://localhost:{next(_ports) if int(port) == 0 else int(port)}"
        if start:
            self.start()

    def start(self) -> None:
        """Let sessions use it; a server that has been started is left as it is."""
        mine = getattr(self, "_served", None)
        if mine is not None and SERVED.get(self._target) is mine:
            return
        if self._target in SERVED:
            raise errors.UnknownError(None, None, f"Could not start gRPC server: {self._target} is in use")
        self._served = Served(
            self._server_def.job_name, self._server_def.task_index, self._server_def.default_session_config
        )
        SERVED[self._target] = self._served

    def join(self) -> None:
        """Wait for ever: until the program is interrupted."""
        threading.Event().wait()

    @property
    def server_def(self) -> Any:
        """What it is, as a `ServerDef` message."""
        return self._server_def

    @property
    def target(self) -> str:
        """What to give to `tf.Session`."""
        return self._target

    @staticmethod
    def create_local_server(config: Any = None, start: bool = True) -> Server:
        """A server of a cluster of its own."""
        return Server({"local": ["localhost:0"]}, protocol="grpc", config=config, start=start)
