"""A dry run counts what the notebooks train, and trains none of it."""

import ast
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import EXECUTED
from test_store import content

from lib import ROOT, study
from lib.claims.capacity import BUDGETS, FURTHER_RATES, PUBLISHED_RATES
from lib.networks.protocols import PUBLISHED_WIDTHS
from lib.study import costs, plan, store
from lib.study.parameters import NOTEBOOKS, read_profile
from lib.tasks import ALL_PAIRS, datasets

LIKE_MNIST = ["FashionMNIST", "KMNIST"]


@pytest.fixture(autouse=True)
def _forget():
    """Sizes are kept by the name of a data set, which made-up digits share."""
    kept = (costs.on_disk, costs.size, costs.flops_of_any)
    for each in kept:
        each.cache_clear()
    yield
    for each in kept:
        each.cache_clear()


@pytest.fixture
def fast() -> costs.Speed:
    """One second a shard, and a GFLOP a second."""
    return dict.fromkeys(("published", "described", "converged"), (1.0, 1e-9))


@pytest.mark.slow
def test_the_plan_of_a_profile_is_what_a_run_of_its_notebook_leaves_in_the_store(
    executed, monkeypatch
):
    monkeypatch.setattr(store, "CACHE", executed / "cache")
    profile = read_profile(executed / "params" / "tiny")
    planned = {
        shard.folder: set(shard.widths)
        for shard in plan.every_shard({name: profile[name] for name in EXECUTED})
    }
    stored = {
        str(path.relative_to(store.CACHE)): {
            width for kept in store.networks(path) for width in kept["widths"].tolist()
        }
        for path in {entry.parent for entry in store.CACHE.rglob("*.safetensors")}
    }
    assert planned == stored


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_trains_nothing_but_what_its_cell_of_shards_names(notebook):
    def called(source: str) -> set[str]:
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        return {ast.unparse(part) for node in nodes for part in (node.func, *node.args)}

    cells = json.loads((ROOT / "notebooks" / f"{notebook}.ipynb").read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    here = [cell for cell in code if "shards" in cell["metadata"].get("tags", [])]
    others = "\n".join("".join(cell["source"]) for cell in code if cell not in here)
    making = {"shards", "study.shards", "study.Shard", "study.train", "study.changed"}
    assert not called(others) & making
    assert len(here) == ("study.table" in called(others))


def test_flops_are_two_products_of_two_a_weight_a_row_a_step(digits):
    labels, images = digits.labels["train"], digits.images["train"]
    fewest = min(int((labels == digit).sum()) for digit in (4, 9))
    rows = 2 * fewest - int(np.ceil(2 * fewest * 0.2))
    [described] = study.shards("MNIST", ["4-9"], {"described": [0]}, [2, 8])
    lit = int(described.split.lit.sum())
    assert 0 < lit <= int((images.amax(0) > 0).sum())
    assert costs.flops(described) == 100 * (2 * 2 * rows * (lit + 1) * (2 + 8))


def test_the_steps_of_a_cycle_have_the_rows_of_a_mean_batch_whatever_their_number(digits):
    [whole] = study.shards("MNIST", ["4-9"], {"converged": [0]}, [2, 8], batch=16)
    rows, lit = len(whole.split.train), int(whole.split.lit.sum())
    assert rows % 16
    met = rows / -(-rows // 16)
    assert costs.flops(whole) == pytest.approx(2000 * (2 * 2 * met * (lit + 1) * (2 + 8)))


def test_a_data_set_that_is_not_on_disk_has_the_rows_of_its_file_and_is_not_fetched(
    digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(datasets, "DATA", tmp_path)
    monkeypatch.setattr(
        datasets, "load", lambda name: pytest.fail(name) if name != "MNIST" else digits
    )
    rows, lit = costs.size("MNIST", "4-9", "full", None)
    assert lit < 784
    for name in LIKE_MNIST:
        assert costs.size(name, "4-9", "full", None) == (rows, 784)
    assert costs.size("EMNIST", "4-9", "full", None) == (4 * rows, 784)
    assert costs.size("EMNIST", "4-9", "full", 50) == (45, 784)
    assert content(tmp_path) == {}


def test_what_the_store_holds_takes_no_more_time(digits, fast):
    wanted = study.shards("MNIST", ["4-9"], {"published": [0, 42, 78]}, [2, 8])
    study.train(wanted[:1])
    study.train(study.shards("MNIST", ["4-9"], {"published": [42]}, [2]))
    table = costs.costs(wanted, fast)
    work = costs.flops(wanted[0]) / 1e9
    assert table["in cache"].tolist() == [1, 0, 0]
    assert table.seconds.tolist() == pytest.approx([0, 1 + 0.8 * work, 1 + work])


@pytest.mark.slow
def test_the_dry_run_prints_every_protocol_and_their_sum_and_leaves_nothing(
    cache, capsys, monkeypatch, fast
):
    monkeypatch.setattr(costs, "cpu_count", lambda: 1)  # others would first have to be started
    assert plan.main([str(ROOT / "params" / "smoke"), "--datasets", "MNIST", "EMNIST"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    found = {tuple(line[:2]): line[2:] for line in lines if line[:1] in (["MNIST"], ["EMNIST"])}
    for name in ("MNIST", "EMNIST"):
        counts = {p: [int(n) for n in found[name, p][:3]] for p in fast}
        assert counts == {
            "published": [6, 24, 0],
            "described": [31, 181, 0],
            "converged": [11, 63, 0],
        }
    [total] = [line for line in lines if line[:1] == ["all"]]
    assert [int(n) for n in total[1:4]] == [96, 536, 0]
    assert content(cache) == {}


def test_the_extended_study_is_all_pairs_with_a_hundred_seeds():
    wanted = plan.every_shard(read_profile(ROOT / "params" / "extended"))
    own = (study.changed("described"), study.changed("converged"))
    ours = [shard for shard in wanted if shard.protocol in own and shard.limit is None]
    assert len(ours) == 45 * 2 * 100
    assert {len(shard.widths) for shard in ours} == {14}
    assert len({shard.task for shard in ours}) == 45


WIDTHS = (0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32, 48, 64)
FIVE = ("0-1", "1-7", "5-6", "3-8", "4-9")


def test_the_paper_has_all_pairs_at_14_widths_and_its_own_seeds_on_the_five_pairs():
    settings = read_profile(ROOT / "params" / "paper")["02_capacity"]
    seeds = {}
    for shard in plan.named("02_capacity", settings)["compared"]:
        own = shard.protocol.name != "published"
        assert shard.widths == (WIDTHS if own else PUBLISHED_WIDTHS)
        assert shard.protocol == study.changed(shard.protocol.name)
        seeds.setdefault((shard.protocol.name, shard.task), []).append(shard.seed)
    assert seeds == {
        **{("published", task): [0, 42, 78] for task in FIVE},
        **{("described", task): list(range(10 if task in FIVE else 3)) for task in ALL_PAIRS},
        **{("converged", task): list(range(10)) for task in ALL_PAIRS},
    }


def test_the_paper_has_the_budgets_and_the_rates_that_its_claims_ask_for():
    settings = read_profile(ROOT / "params" / "paper")["02_capacity"]
    networks = plan.named("02_capacity", settings)
    budgets = networks["by_budget"]
    assert {*BUDGETS} <= {(round(steps * rate, 6), scale) for steps, rate, scale in budgets}
    for (steps, rate, scale), shards in budgets.items():
        assert {shard.task for shard in shards} == ({*FIVE} if scale == 0.1 else {"4-9"})
        assert {shard.widths for shard in shards} == {WIDTHS}
        assert {shard.protocol for shard in shards} == {
            study.changed("described", steps=steps, learning_rate=rate, scale=scale)
        }
        assert {shard.seed for shard in shards} == {0, 1, 2, 3, 4}
    rates = networks["by_rate"]
    assert list(rates) == [*PUBLISHED_RATES, *FURTHER_RATES]
    for shards in rates.values():
        assert {(shard.task, shard.protocol.name, shard.widths) for shard in shards} == {
            ("4-9", "published", PUBLISHED_WIDTHS),
            ("4-9", "described", (0, *PUBLISHED_WIDTHS)),
        }


@pytest.mark.parametrize("profile", ["smoke", "paper", "extended"])
def test_equal_budgets_are_equal_and_at_several_rates(profile):
    settings = read_profile(ROOT / "params" / profile)["02_capacity"]
    equal = plan.named("02_capacity", settings)["by_equal_budget"]
    assert len({round(steps * rate, 6) for steps, rate in equal}) == 1
    assert len({rate for _, rate in equal}) == len(equal) > 1
    for (steps, rate), shards in equal.items():
        assert {shard.protocol for shard in shards} == {
            study.changed("described", steps=steps, learning_rate=rate)
        }
        assert {shard.task for shard in shards} == {settings["task"]}


def test_an_ablation_changes_one_thing():
    settings = read_profile(ROOT / "params" / "paper")["02_capacity"]
    networks = plan.named("02_capacity", settings)
    for changed in ("optimiser", "rows"):
        first, *others = networks[f"by_{changed}"].values()
        for shards in others:
            for shard, base in zip(shards, first, strict=True):
                alike = replace(shard, protocol=base.protocol, limit=base.limit)
                assert alike == base
                assert (shard.limit != base.limit) == (changed == "rows")
                assert (shard.protocol != base.protocol) == (changed == "optimiser")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("smok", "unknown profile 'smok': allowed are .*did you mean 'smoke'"),
        ("smoke --datasets KMINST", "unknown dataset 'KMINST': .*did you mean 'KMNIST'"),
    ],
)
def test_a_bad_profile_or_data_set_is_one_sentence(arguments, said, capsys):
    profile, *options = arguments.split()
    assert plan.main([str(ROOT / "params" / profile), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"{said}[^\n]*\n", err)


def test_a_time_is_given_in_the_unit_that_suits_it():
    given = (0, 1.6, 119, 120, 7199, 7200, 100_000, 200_000)
    assert [plan.duration(seconds) for seconds in given] == [
        *("0 s", "2 s", "119 s", "2.0 min", "120.0 min", "2.0 h", "27.8 h", "2.3 days")
    ]
