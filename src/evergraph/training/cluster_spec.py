"""`tf.train.ClusterSpec`: which jobs a cluster has, and the addresses of their tasks."""

from __future__ import annotations

from typing import Any

from evergraph.framework.api import public


@public("train.ClusterSpec")
class ClusterSpec:
    """The tasks of a cluster, by job and number.

    Args:
        cluster: a dict from the names of jobs to lists of addresses, or to dicts of addresses by number; or a
            `ClusterDef` message, or another `ClusterSpec`.

    Raises:
        TypeError: for anything else, and names and addresses that are no strings.

    >>> cluster = tf.train.ClusterSpec({"ps": ["ps0:2222"], "worker": {1: "worker1:2222"}})
    >>> cluster.num_tasks("worker"), cluster.task_address("worker", 1)
    (1, 'worker1:2222')
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster_spec: dict[str, dict[int, str]] = {}
        if isinstance(cluster, dict):
            for job, tasks in cluster.items():
                if isinstance(tasks, list | tuple):
                    self._cluster_spec[job] = dict(enumerate(tasks))
                elif isinstance(tasks, dict):
                    self._cluster_spec[job] = dict(tasks)
                else:
                    raise TypeError(
                        f"The tasks for job {job!r} must be a list or a dictionary from integers to strings."
                    )
            self._cluster_def = _as_message(self._cluster_spec)
            return
        if isinstance(cluster, ClusterSpec):
            message = cluster.as_cluster_def()
            self._cluster_def = type(message)()
            self._cluster_def.CopyFrom(message)
        elif getattr(getattr(cluster, "DESCRIPTOR", None), "full_name", "") == "tensorflow.ClusterDef":
            self._cluster_def = cluster
        else:
            raise TypeError(
                "`cluster` must be a dictionary mapping one or more job names to lists of network addresses, or a "
                f"`ClusterDef` protocol buffer; got {type(cluster)}"
            )
        for job_def in self._cluster_def.job:
            self._cluster_spec[job_def.name] = dict(job_def.tasks)

    def __bool__(self) -> bool:
        return bool(self._cluster_spec)

    def __eq__(self, other: Any) -> bool:
        return bool(self._cluster_spec == (other._cluster_spec if isinstance(other, ClusterSpec) else other))

    __hash__: Any = None

    def __str__(self) -> str:
        jobs = self.as_dict()
        return "ClusterSpec({" + ", ".join(f"{job!r}: {jobs[job]!r}" for job in sorted(jobs)) + "})"

    def as_dict(self) -> dict[str, Any]:
        """The jobs: a list of addresses each, or a dict by number where a number is left out."""
        found: dict[str, Any] = {}
        for job, tasks in self._cluster_spec.items():
            numbers = sorted(tasks)
            dense = bool(numbers) and numbers[-1] + 1 == len(numbers)
            found[job] = [tasks[i] for i in numbers] if dense else {i: tasks[i] for i in numbers}
        return found

    def as_cluster_def(self) -> Any:
        """The cluster as a `ClusterDef` message."""
        return self._cluster_def

    @property
    def jobs(self) -> list[str]:
        """The names of the jobs."""
        return list(self._cluster_spec)

    def _tasks(self, job_name: str) -> dict[int, str]:
        try:
            return self._cluster_spec[job_name]
        except KeyError:
            raise ValueError(f"No such job in cluster: {job_name!r}; there are {self.jobs}") from None

    def num_tasks(self, job_name: str) -> int:
        """How many tasks a job has.

        Raises:
            ValueError: if there is no such job.
        """
        return len(self._tasks(job_name))

    def task_indices(self, job_name: str) -> list[int]:
        """The numbers of a job's tasks, in order.

        Raises:
            ValueError: if there is no such job.
        """
        return sorted(self._tasks(job_name))

    def task_address(self, job_name: str, task_index: int) -> str:
        """The address of a task.

        Raises:
            ValueError: if there is no such job or task.
        """
        try:
            return self._tasks(job_name)[task_index]
        except KeyError:
            raise ValueError(f"No task with index {task_index!r} in job {job_name!r}") from None

    def job_tasks(self, job_name: str) -> list[str | None]:
        """The addresses of a job's tasks by number, None for a number that is left out.

        Raises:
            ValueError: if there is no such job.
        """
        tasks = self._tasks(job_name)
        return [tasks.get(i) for i in range(max(tasks) + 1)]


def _as_message(jobs: dict[str, dict[int, str]]) -> Any:
    from evergraph.formats import messages

    message = messages.ClusterDef()
    for job, tasks in sorted(jobs.items()):
        job_def = message.job.add(name=_text(job, "Job name"))
        for number, address in sorted(tasks.items()):
            job_def.tasks[number] = _text(address, "Task address")
    return message


def _text(value: Any, what: str) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"{what} {value!r} must be bytes or unicode")
    return value
