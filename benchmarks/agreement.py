"""How far results lie apart that differ in nothing but where and how they were computed.

The same networks are trained and scored in this process with one thread, which is what a task gets
wherever it runs, and again in each way of `VARIANTS`, from an empty cache each time.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pandas as pd
import torch
from joblib.externals.loky import get_reusable_executor

from lib import measures, study
from lib.networks.protocols import PROTOCOLS, PUBLISHED_WIDTHS
from lib.study import IDENTITY, Shard, store
from lib.study.backends import Machine
from lib.study.measuring import measured
from lib.study.trained import train_shards

AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
"""What makes oneDNN, MKL and PyTorch leave AVX-512 alone, as on a processor that has none."""


def shards(quick: bool) -> list[Shard]:
    """4-9 under each protocol, seed 0, with all rows and widths; `quick` takes few of them."""
    widths, limit = ((2, 8), 300) if quick else (PUBLISHED_WIDTHS, None)
    return study.shards("MNIST", ["4-9"], {name: [0] for name in PROTOCOLS}, widths, limit)


def here(wanted: list[Shard], threads: int = 1, device: str = "cpu") -> pd.DataFrame:
    """The shards trained and scored in this process, with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        wanted = study.placed(wanted, Machine(device=device))
        for shard in wanted:
            train_shards(shard, [shard])
        return pd.concat([measured(shard, measures.capacity, {}) for shard in wanted])
    finally:
        torch.set_num_threads(before)


def on(machine: Machine, wanted: list[Shard]) -> pd.DataFrame:
    """The shards trained and scored where `machine` says."""
    return study.table(wanted, measures.capacity, machine)


def on_dask(wanted: list[Shard]) -> pd.DataFrame:
    """The shards trained and scored on a Dask cluster of this machine, with two workers."""
    from distributed import LocalCluster  # a machine with a GPU may lack it

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster:
        return on(Machine(scheduler=cluster.scheduler_address), wanted)


Way = Callable[[list[Shard]], pd.DataFrame]
"""Trains shards and gives the table of `measures.capacity`."""

VARIANTS: dict[str, tuple[Way, dict[str, str]]] = {
    "two threads": (partial(here, threads=2), {}),
    "two processes": (partial(on, Machine(jobs=2)), {}),
    "Dask, two workers": (on_dask, {}),
    "without AVX-512": (partial(on, Machine(jobs=2)), AVX2),
}
"""The other ways on this machine's processor, each with its environment variables."""


@contextmanager
def fresh(environment: dict[str, str]) -> Iterator[None]:
    """An empty cache and these variables, for this process and those that it starts from now on."""
    get_reusable_executor().shutdown(wait=True)
    with TemporaryDirectory() as folder:
        variables = {**environment, "LOW_CAPACITY_CACHE": folder}
        with patch.dict(os.environ, variables), patch.object(store, "CACHE", Path(folder)):
            yield
    get_reusable_executor().shutdown(wait=True)


def trained(way: Way, wanted: list[Shard], environment: dict[str, str]) -> pd.DataFrame:
    """What a way gives from an empty cache."""
    with fresh(environment):
        return way(wanted)


def apart(reference: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """How far two tables of `measures.capacity` lie apart, a row a protocol.

    Columns protocol, networks, f1 and loss (the largest difference of a network), mean_f1 and
    mean_loss (that of the means over networks). F1 is on test rows, the loss on training rows.
    """
    both = reference.merge(found, on=IDENTITY, suffixes=("_before", ""), validate="one_to_one")
    f1 = (both.f1_test - both.f1_test_before).groupby(both.protocol, sort=False)
    loss = (both.loss_train - both.loss_train_before).groupby(both.protocol, sort=False)
    columns = {
        "networks": f1.size(),
        "f1": f1.apply(lambda each: each.abs().max()),
        "loss": loss.apply(lambda each: each.abs().max()),
        "mean_f1": f1.mean().abs(),
        "mean_loss": loss.mean().abs(),
    }
    return pd.DataFrame(columns).reset_index()


def table(quick: bool, processor: str, kept: Path) -> pd.DataFrame:
    """Every way beside one thread in this process: columns variant, device, and those of `apart`.

    Without a GPU, what was measured on one before stays: see `before`.
    """
    wanted = shards(quick)
    reference = trained(here, wanted, {})
    parts = []
    for name, (way, environment) in VARIANTS.items():
        print(f"  {name}", flush=True)
        found = apart(reference, trained(way, wanted, environment))
        parts.append(labelled(found, name, processor))
    if torch.cuda.is_available():
        found = apart(reference, trained(partial(here, device="cuda"), wanted, {}))
        parts.append(labelled(found, "GPU", torch.cuda.get_device_name()))
    else:
        print("  GPU: not measured here", flush=True)
        parts.append(before(kept))
    return pd.concat(parts, ignore_index=True)


def labelled(found: pd.DataFrame, variant: str, device: str) -> pd.DataFrame:
    """With the variant and its device in front."""
    return pd.concat({(variant, device): found}, names=["variant", "device"]).reset_index([0, 1])


def before(folder: Path) -> pd.DataFrame:
    """What was measured on a GPU before: agreement.csv of this folder, else gpu.csv, may have it.

    gpu.csv has the loss of the published grid alone. No rows where neither does.
    """
    kept, speed = (
        pd.read_csv(folder / name) if (folder / name).is_file() else pd.DataFrame()
        for name in ("agreement.csv", "gpu.csv")
    )
    if "variant" in kept and (kept.variant == "GPU").any():
        return kept[kept.variant == "GPU"]
    if "contender" not in speed:
        return pd.DataFrame()
    grid = speed[(speed.setting == "published grid") & (speed.contender != "processor")].head(1)
    loss = grid.rename(columns={"largest_loss_difference": "loss"})[["device", "networks", "loss"]]
    return loss.assign(variant="published grid, GPU", protocol="published")


COLUMNS = r"@{}>{\raggedright\arraybackslash}p{0.95in}lrrrr@{}"
"""Those of the table in the paper, as LaTeX has them."""


def typeset(measured: pd.DataFrame) -> pd.DataFrame:
    """The table for the paper: differences in millionths, the full-batch protocols together."""
    batch = measured.protocol.map(lambda name: PROTOCOLS[name].batch)
    kinds = batch.isna().map({True: "full-batch", False: r"\code{converged}"}).rename("protocols")
    by_kind = measured.groupby(["variant", "device", kinds], sort=False)
    differences = by_kind[["f1", "mean_f1", "loss"]].max().map(millionths)
    shown = by_kind[["networks"]].sum().join(differences).reset_index().astype(object)
    on_gpu = shown.variant.str.endswith("GPU")
    shown["variant"] = shown.variant.mask(on_gpu, shown.variant + " (" + shown.device + ")")
    shown["variant"] = shown.variant.mask(shown.variant.duplicated(), "")
    if not on_gpu.any():
        shown.loc[len(shown)] = {"variant": "GPU", "protocols": "not measured"}
    names = {"variant": "beside one thread", "f1": "F1", "mean_f1": "mean F1"}
    return shown.drop(columns="device").fillna("").rename(columns=names)


def millionths(value: float) -> str:
    """A difference in units of 1e-6, with one decimal below 10; a dash where there is none."""
    if pd.isna(value):
        return "--"
    return f"{1e6 * value:.{0 if value >= 1e-5 or value == 0 else 1}f}"
