"""Time training side by side with what a user would pick instead: `make bench`.

Contenders take turns (A B C A B C ...), so that a slow minute of the machine meets all of them. A
first turn is not reported; the losses come from it. In each further turn a contender is called
until `TURN` seconds have passed, and the mean is taken: what is over in a moment would else be
timed by a moment of the machine. Reported are medians, and the range over turns.
"""

import argparse
import gc
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from benchmarks import agreement, growth, pictures
from benchmarks.contenders import (
    CONTENDERS,
    Contender,
    Place,
    batches_of_an_epoch,
    begin,
    moved,
    train_at,
)
from lib import ROOT
from lib.networks.population import Population
from lib.networks.protocols import PUBLISHED_SEEDS, PUBLISHED_WIDTHS, REPLAY_ORDER
from lib.networks.scores import logistic_loss
from lib.output import figures
from lib.output.report import Report
from lib.study import Shard, changed, shards, store
from lib.tasks import Split

HERE = Path(__file__).resolve().parent
TURN = 5.0  # seconds


@dataclass(frozen=True)
class Setting:
    """What is trained, under a name."""

    name: str
    shards: list[Shard]


def settings(quick: bool) -> list[Setting]:
    """Full-batch and mini-batch training on 4-9; `quick` takes few networks, rows and steps."""
    widths, limit = ((2, 8, 64), 1000) if quick else (PUBLISHED_WIDTHS, None)
    full = changed("published", **({"steps": 4} if quick else {}))
    mini = changed("converged", schedule="constant", learning_rate=0.001)
    whole = Shard("MNIST", "4-9", mini, widths, 0, limit)
    return [
        Setting("full-batch", [Shard("MNIST", "4-9", full, widths, 0, limit)]),
        Setting("mini-batch", [for_epochs(whole, 2 if quick else 5)]),
    ]


def for_epochs(shard: Shard, epochs: int) -> Shard:
    """The shard with the steps of so many whole epochs: some contenders know nothing shorter."""
    steps = epochs * batches_of_an_epoch(shard)
    return replace(shard, protocol=replace(shard.protocol, steps=steps))


def processor() -> str:
    """The name of this machine's processor, as far as it tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def device(contender: Contender) -> str:
    """What a contender runs on, nothing where it cannot."""
    if not contender.gpu:
        return processor()
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def seconds(work: Callable[[], object], at_least: float = 0.0) -> float:
    """Wall-clock seconds of a call, the mean of all that begin within `at_least` seconds."""
    gc.collect()
    start, calls, passed = time.perf_counter(), 0, 0.0
    while not calls or passed < at_least:
        work()
        calls, passed = calls + 1, time.perf_counter() - start
    return passed / calls


def losses(split: Split, networks: Population | None) -> torch.Tensor:
    """The loss of each network on the training rows; NaN where nothing was trained."""
    if networks is None:
        return torch.tensor([torch.nan])
    return logistic_loss(networks.logits(split.train.images), split.train.labels)


def side_by_side(setting: Setting, turns: int, at_least: float) -> pd.DataFrame:
    """Every contender in one setting, one row each; each is called for so many seconds a turn."""
    [shard] = setting.shards
    here = [c for c in CONTENDERS if c.mini_batch or shard.protocol.batch is None]
    able = [c for c in here if not c.gpu or torch.cuda.is_available()]
    loss = {c.name: losses(shard.split, c.train(shard)) for c in able}
    times: dict[str, list[float]] = {c.name: [] for c in able}
    for turn in range(turns):
        for contender in able:
            times[contender.name].append(seconds(partial(contender.train, shard), at_least))
        print(f"  {setting.name}: turn {turn + 1} of {turns}", flush=True)
    first = CONTENDERS[0]
    ours = pd.Series(times[first.name]) / first.copies
    return pd.DataFrame(
        facts(setting, c)
        | (
            timed(setting, c, pd.Series(times[c.name]), ours)
            | fitted(loss[c.name], loss[first.name])
            if c in able
            else {"note": "no GPU"}
        )
        for c in here
    )


def facts(setting: Setting, contender: Contender) -> dict[str, object]:
    """What was trained, by whom, and on what."""
    [shard] = setting.shards
    return {
        "device": device(contender),
        "threads": 1 if contender.processes > 1 else torch.get_num_threads(),
        "processes": contender.processes,
        "torch": torch.__version__,
        "setting": setting.name,
        "contender": contender.name,
        "networks": len(shard.widths) * contender.copies,
        "rows": len(shard.split.train),
        "steps": shard.protocol.steps,
        "note": "",
    }


def timed(
    setting: Setting, contender: Contender, mine: pd.Series, ours: pd.Series
) -> dict[str, object]:
    """Seconds, networks per second, and how many times as fast the population is, turn by turn.

    mine: seconds of the contender; ours: seconds of the population for one copy of the shard.
    """
    done = len(setting.shards[0].widths) * contender.copies / mine
    speedup = mine / contender.copies / ours
    return {
        "turns": len(mine),
        **spread("seconds", mine),
        **spread("networks_per_second", done),
        "ratio_to_population": 1 / speedup.median(),
        **spread("speedup", speedup),
    }


def fitted(mine: torch.Tensor, ours: torch.Tensor) -> dict[str, object]:
    """The mean final loss, and how far a network's is from the population's at most."""
    difference = (mine - ours).abs().max()
    return {"final_loss": float(mine.mean()), "largest_loss_difference": float(difference)}


def spread(name: str, values: pd.Series) -> dict[str, float]:
    """Median, lowest and highest."""
    return {name: values.median(), f"{name}_low": values.min(), f"{name}_high": values.max()}


def speed(out: Path, turns: int, quick: bool) -> None:
    """Write results.csv and the figure, and print what they say."""
    at_least = 0 if quick else TURN
    tables = [side_by_side(setting, turns, at_least) for setting in settings(quick)]
    results = pd.concat(tables, ignore_index=True)
    store.write_table(results, out / "results.csv")
    figures.save(pictures.speed(results), out / "speed")
    shown = ["setting", "contender", "networks_per_second", "speedup", "speedup_low"]
    shown += ["speedup_high", "final_loss", "largest_loss_difference", "note"]
    print(results[shown].to_string(index=False, float_format="{:.4g}".format, na_rep=""))
    for found in results[results.contender.str.startswith("bare")].itertuples():
        print(f"{found.setting}: {found.speedup:.1%} of the throughput of {found.contender}")
    for found in results[results.contender == "scores alone"].itertuples():
        print(f"{found.setting}: learning curves take at most {found.speedup:.1%} of training")


def grow(out: Path, _: int, quick: bool) -> None:
    """Write growth.csv and its figure, and print the slopes."""
    table = growth.table(quick)
    store.write_table(table, out / "growth.csv")
    figures.save(pictures.growth(table), out / "growth")
    print(table.groupby("axis")[["slope_seconds", "slope_peak"]].first().to_string())


def gpu(out: Path, turns: int, quick: bool) -> None:
    """Write gpu.csv: the published grid and mini-batches on a GPU, beside this machine's processor.

    Without a GPU, what was measured on another machine stays.
    """
    path = out / "gpu.csv"
    if torch.cuda.is_available():
        grid = Setting("published grid", published_grid(quick))
        table = pd.concat([on_both(s, turns) for s in (grid, *settings(quick))], ignore_index=True)
        store.write_table(table, path)
        print(table.to_string(index=False, float_format="{:.4g}".format))
        return
    print("no GPU: it is not measured here")
    if not path.exists():
        store.write_table(pd.DataFrame([{"device": "", "note": "no GPU"}]), path)


def published_grid(quick: bool) -> list[Shard]:
    """All 165 networks of the published study, 15 shards of 100 steps."""
    wanted = {"published": list(PUBLISHED_SEEDS)}
    fewer = {"limit": 1000, "steps": 4} if quick else {}
    return shards("MNIST", REPLAY_ORDER, wanted, PUBLISHED_WIDTHS, **fewer)


def on_both(setting: Setting, turns: int) -> pd.DataFrame:
    """These shards on the GPU, with the rows there already or sent there, and once without it.

    Reading the data, dividing the rows and drawing the weights are not timed.
    """
    here = [(begin(shard), shard.split) for shard in setting.shards]
    there = [moved(*each) for each in here]

    def trained(places: Sequence[Place]) -> list[Population]:
        work = zip(setting.shards, places, strict=True)
        return [train_at(shard, place).to("cpu") for shard, place in work]

    def sent() -> list[Population]:
        return trained([moved(*each) for each in here])

    ways: dict[str, Callable[[], object]] = {
        "GPU, rows in its memory": partial(trained, there),
        "GPU, rows sent to it": sent,
    }
    loss_there, loss_here = (all_losses(here, trained(places)) for places in (there, here))
    times = {name: pd.Series([seconds(way) for _ in range(turns)]) for name, way in ways.items()}
    times["processor"] = pd.Series([seconds(partial(trained, here))])
    networks = sum(len(shard.widths) for shard in setting.shards)
    return pd.DataFrame(
        {
            "device": processor() if name == "processor" else torch.cuda.get_device_name(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "setting": setting.name,
            "contender": name,
            "networks": networks,
            "shards": len(here),
            "steps": setting.shards[0].protocol.steps,
            "turns": len(each),
            **spread("seconds", each),
            **spread("networks_per_second", networks / each),
            "final_loss": float((loss_here if name == "processor" else loss_there).mean()),
            "largest_loss_difference": float((loss_there - loss_here).abs().max()),
            "note": "",
        }
        for name, each in times.items()
    )


def all_losses(here: Sequence[Place], trained: Sequence[Population]) -> torch.Tensor:
    """The losses of the networks of several shards, one after another."""
    pairs = zip(here, trained, strict=True)
    return torch.cat([losses(split, networks) for (_, split), networks in pairs])


def agree(out: Path, _: int, quick: bool) -> None:
    """Write agreement.csv and the table that the paper has of it, and print it."""
    table = agreement.table(quick, processor(), out)
    store.write_table(table, out / "agreement.csv")
    profile = "paper" if out == HERE else "benchmarks"
    report = Report("agreement", {"profile": profile, "dataset": "MNIST"})
    report.latex(agreement.typeset(table), "agreement", agreement.COLUMNS)
    print(table.to_string(index=False, float_format="{:.2g}".format, na_rep=""))


PARTS: dict[str, Callable[[Path, int, bool], None]] = {
    "speed": speed,
    "growth": grow,
    "gpu": gpu,
    "agreement": agree,
}
"""What can be measured, each given the folder to write to, the turns, and whether to be quick."""


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--only", choices=list(PARTS), help="measure this part only")
    parser.add_argument("--turns", type=int, help="timed turns of each contender (default 5)")
    parser.add_argument("--quick", action="store_true", help="small enough for a test")
    parser.add_argument("--out", type=Path, help="folder to write to (default benchmarks/)")
    return parser.parse_args()


def main() -> None:
    """Measure what was asked for."""
    asked = arguments()
    turns = asked.turns or (1 if asked.quick else 5)
    out = asked.out or (ROOT / "build" / "benchmarks" if asked.quick else HERE)
    figures.use_style()
    if asked.quick:  # of several threads, the slowest sets the pace where cores are shared
        torch.set_num_threads(1)
    for part in [asked.only] if asked.only else PARTS:
        print(part, flush=True)
        PARTS[part](out, turns, asked.quick)


if __name__ == "__main__":
    main()
