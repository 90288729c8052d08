"""Where work is done: in this process, in several, or on a Dask cluster, with the same result.

A task runs in one thread wherever it runs, so that its bytes depend neither on where that is nor on
how many others run beside it.
"""

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import torch
from joblib import Parallel, delayed, effective_n_jobs
from joblib.externals.loky import BrokenProcessPool
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from lib import ROOT
from lib.errors import UserError
from lib.study import store

if TYPE_CHECKING:  # importing it takes a second, which only those who use a cluster should spend
    from distributed import Client

RESENT = 2
"""How often a task whose worker died is sent again."""

CONNECT_SECONDS = 10
"""How long a scheduler may take to answer."""

Tasks = dict[int, tuple[Any, ...]]
"""The arguments of each task by its place in the work; the first of them names the task."""

Done = tuple[int, Any]
"""The place of a task and its result."""

Send = Callable[[Tasks], Generator[Done, None, list[int]]]
"""Has tasks done, takes each that is done out of the tasks, and returns the places of those that
were under way when a worker died."""


@dataclass(frozen=True)
class Machine:
    """Where work is done.

    jobs: processes on this machine, -1 for one a core; with 1 it is this process itself. device:
    "cpu", "cuda", or "auto" for a GPU where there is one. scheduler: the address of a Dask
    scheduler, whose workers then do the work in the place of `jobs`.
    """

    jobs: int = 1
    device: str = "cpu"
    scheduler: str | None = None

    @property
    def kind(self) -> str:
        """The kind of device, "cpu" or "cuda"; on a cluster "auto" is the workers' processors."""
        if self.device == "auto":
            return "cpu" if self.scheduler else available("auto")
        return self.device


HERE = Machine()
"""This process, on its processor."""


def available(device: str) -> str:
    """The device to train on, which has to be there: "auto" takes a GPU where there is one.

    Raises `UserError` where a GPU is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"device is {device!r}, and PyTorch finds no GPU here: give 'cpu', or 'auto', which"
            " takes a GPU where there is one"
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def run(
    function: Callable[..., Any],
    work: Sequence[tuple[Any, ...]],
    machine: Machine = HERE,
    label: str = "",
) -> list[Any]:
    """What a function returns for each tuple of arguments, in their order; as `as_completed`."""
    done = dict(as_completed(function, work, machine, label))
    return [done[place] for place in range(len(work))]


def as_completed(
    function: Callable[..., Any],
    work: Sequence[tuple[Any, ...]],
    machine: Machine = HERE,
    label: str = "",
) -> Iterator[Done]:
    """(place, result) of each tuple of arguments once it is done, with a progress bar.

    A task whose worker died is sent again. What a task raises is raised at once; `UserError` where
    no scheduler answers, where a worker has other code or another cache, and where a task's worker
    died each time.
    """
    if not work:
        return
    with sender(function, machine) as send:
        done = insistent(send, dict(enumerate(work)))
        yield from tqdm(done, total=len(work), desc=label, unit="shard")


@contextmanager
def sender(function: Callable[..., Any], machine: Machine) -> Iterator[Send]:
    """How tasks are sent to where the machine has them done."""
    if not machine.scheduler:
        yield partial(to_processes, function, effective_n_jobs(machine.jobs))
        return
    with connected(machine.scheduler) as client, marked() as mark:
        yield partial(to_cluster, client, partial(on_worker, function, all_code(), mark))


def insistent(send: Send, tasks: Tasks, resent: int = RESENT) -> Iterator[Done]:
    """Send tasks; again, one by one, those that were under way when a worker died; then the rest.

    So a task that needs all the memory has it, and one that kills its worker is known by name.
    """
    left = dict(tasks)
    lost = yield from send(left)
    if not lost:
        return
    names = " or ".join(str(tasks[place][0]) for place in lost)
    if not resent:
        raise UserError(
            f"a worker died each time that it was given {names}: use fewer jobs or give it more"
            " memory; what was finished is kept"
        )
    tqdm.write(f"a worker died while it was given {names}: sent again", file=sys.stderr)
    for place in lost:
        yield from insistent(send, {place: left.pop(place)}, resent - 1)
    yield from insistent(send, left, resent - 1)


def to_processes(
    function: Callable[..., Any], jobs: int, tasks: Tasks
) -> Generator[Done, None, list[int]]:
    """Tasks done in `jobs` processes, as many at a time; 1 is this process. See `Send`."""
    begun: list[int] = []

    def calls() -> Iterator[Any]:
        for place, arguments in list(tasks.items()):
            begun.append(place)
            yield delayed(placed)(place, function, arguments)

    pool = Parallel(jobs, batch_size=1, pre_dispatch=jobs, return_as="generator_unordered")
    try:
        for place, result in pool(calls()):
            del tasks[place]
            yield place, result
    except BrokenProcessPool:  # with any of its processes
        pass
    return [place for place in begun if place in tasks]


def placed(place: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Done:
    """A task's place and result."""
    return place, in_one_thread(function, *arguments)


def in_one_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns with one thread for PyTorch, BLAS and OpenMP; then as many again."""
    threads = torch.get_num_threads()
    try:
        with threadpool_limits(1):
            torch.set_num_threads(1)
            return function(*arguments)
    finally:
        torch.set_num_threads(threads)


def to_cluster(
    client: "Client", function: Callable[..., Any], tasks: Tasks
) -> Generator[Done, None, list[int]]:
    """Tasks done by the workers of a Dask cluster, which tries each on several. See `Send`.

    joblib's Dask backend would wait for ever for a task whose workers were killed (joblib 1.6).
    """
    import distributed

    futures = {client.submit(function, *each, pure=False): place for place, each in tasks.items()}
    lost = []
    for future in distributed.as_completed(list(futures), loop=client.loop):
        place = futures.pop(future)  # else its result would stay in a worker's memory
        if isinstance(future.exception(), distributed.KilledWorker):
            lost.append(place)
        else:
            del tasks[place]
            yield place, future.result()
    return lost


@contextmanager
def connected(scheduler: str) -> Iterator["Client"]:
    """A client of the scheduler at this address; `UserError` where none answers, or it is lost."""
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler answers at {scheduler} ({error}): start one with 'dask scheduler',"
            " or set scheduler to null"
        ) from None
    with client:
        greet(client, scheduler)
        try:
            yield client
        except CancelledError:
            raise UserError(
                f"the connection to the Dask scheduler at {scheduler} was lost; what was finished"
                " is kept: start the scheduler and run again"
            ) from None


def greet(client: "Client", scheduler: str) -> None:
    """See that the workers find `lib`: one that does not would die of its task without a word.

    Raises `UserError` where they do not. Says so where there are none yet.
    """
    try:
        present = client.run(exec, "import lib.study.backends")
    except ImportError as error:
        raise UserError(
            f"the workers of {scheduler} cannot import what they are to run ({error}): start them"
            " in this folder, from its virtual environment"
        ) from None
    if not present:
        tqdm.write(f"{scheduler} has no workers yet: waiting for them", file=sys.stderr)


@contextmanager
def marked() -> Iterator[Path]:
    """A file in the cache, by which a worker elsewhere knows whether it sees the same one."""
    path = store.CACHE / f".client-{uuid4().hex}"
    store.write(path, b"")
    try:
        yield path
    finally:
        with suppress(OSError):  # else that would be told, and not what ended the work
            path.unlink()


@lru_cache
def all_code() -> str:
    """The hash of all code in `lib` and of the versions it stands on, taken once a process."""
    files = store.code_hash(sorted((ROOT / "lib").rglob("*.py")))
    return store.digest(files, torch.__version__, np.__version__)


def on_worker(function: Callable[..., Any], expected: str, mark: Path, *arguments: Any) -> Any:
    """What a function returns on a Dask worker, if that would not give another result.

    Raises `UserError` where it works in several threads, has other code, or sees another cache.
    """
    from distributed import get_worker

    worker = get_worker()
    if worker.state.nthreads != 1:
        wrong = f"runs {worker.state.nthreads} tasks at once: start it with --nthreads 1"
    elif all_code() != expected:
        wrong = (
            "has other code in lib, or another version of torch or numpy, than this process: start"
            " it anew from the same checkout and virtual environment"
        )
    elif not (store.CACHE / mark.name).is_file():
        wrong = (
            f"keeps its cache in {store.CACHE}, which is not {mark.parent} of this process: set"
            " LOW_CAPACITY_CACHE to one folder that all of them see"
        )
    else:
        return in_one_thread(function, *arguments)
    raise UserError(f"the Dask worker {worker.address} {wrong}")
