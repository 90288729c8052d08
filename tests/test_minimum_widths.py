"""The table of minimum widths: what each was found under, and which are censored."""

from itertools import product

import numpy as np
import pandas as pd

from lib import measures
from lib.measures import difficulty
from lib.measures.capacity import BUDGET
from lib.output.figures.capacity import learning_rate_maps
from lib.statistics import compare_models, qap

VALUES = {"published": "f1_train_best", "described": "f1_test", "converged": "f1_test"}
SEEDS, WIDTHS = range(6), (0, 1, 2, 4, 8)


def scored(protocol: str, best: float, **columns: object) -> pd.DataFrame:
    """Networks of which those of 4 units and more score `best`, and others 0.5."""
    rows = [
        ("MNIST", task, protocol, width, seed, best if width >= 4 else 0.5)
        for task, width, seed in product(("0-1", "4-9"), WIDTHS, SEEDS)
    ]
    names = ["dataset", "task", "protocol", "width", "seed", "f1_test"]
    return pd.DataFrame(rows, columns=names).assign(**columns)


def found(**tables: pd.DataFrame) -> pd.DataFrame:
    return measures.minimum_widths(tables, VALUES, 0.9, 0.99)


def test_a_width_is_found_under_what_its_protocol_says_and_at_both_thresholds():
    networks = pd.concat([scored("described", 0.95), scored("converged", 0.95)])
    table = found(networks=networks)
    assert len(table) == 2 * 2 * 2
    assert (table.minimum_width == 4).all()
    assert set(table[["threshold", "relative"]].itertuples(index=False, name=None)) == {
        (0.9, False),
        (0.99, True),
    }
    under = table.groupby("protocol")[BUDGET].first()
    assert under.loc["described"].tolist() == ["constant", 100, 0.03, 0.1, "sgd", "all"]
    assert under.loc["converged"].tolist() == ["cycle", 2000, 0.01, 1, "adam", "all"]
    budgets = table.groupby("protocol").budget.unique()
    assert budgets.to_dict() == {"described": [3], "converged": [20]}


def test_what_a_table_says_of_its_networks_goes_before_the_protocol():
    budgets = pd.concat(
        [scored("described", 0.95, steps=300, learning_rate=0.1, scale=s) for s in (0.1, 0.036)]
        + [scored("described", 0.85, steps=1000, learning_rate=0.03, scale=0.1)]
        + [scored("described", 0.85, steps=1000, learning_rate=0.1, scale=0.1)]
    )
    table = found(budgets=budgets)
    at_threshold = table[~table.relative].set_index(["budget", "learning_rate", "scale"])
    assert at_threshold.censored.groupby(level=[0, 1, 2]).all().to_dict() == {
        (30, 0.1, 0.1): False,
        (30, 0.1, 0.036): False,
        (30, 0.03, 0.1): True,
        (100, 0.1, 0.1): True,
    }
    assert (table[table.relative].minimum_width == 4).all()


def test_a_censored_width_is_kept_marked_and_printed_as_beyond_the_widest():
    table = found(networks=scored("described", 0.85))
    row = next(table[~table.relative].itertuples())
    assert (row.censored, row.low, row.high, row.widest) == (True, np.inf, np.inf, 8)
    shown = measures.printed(table)
    for relative, text in ((False, "$>$8"), (True, "4")):
        columns = shown[shown.relative == relative][["minimum_width", "low", "high"]]
        assert set(columns.to_numpy().flat) == {text}


def test_without_seeds_for_an_interval_none_is_printed():
    networks = scored("described", 0.95)
    shown = next(measures.printed(found(networks=networks[networks.seed < 3])).itertuples())
    assert (shown.minimum_width, shown.low, shown.high) == ("4", "", "")


def test_the_table_of_ablations_has_a_row_a_condition_and_a_column_a_task():
    one = measures.under_budget(scored("described", 0.95, optimiser="adam"))
    other = measures.under_budget(scored("converged", 0.95, rows="300").query("task == '4-9'"))
    needed = found(ablations=pd.concat([one, other]))
    table = measures.ablation_table(needed[~needed.relative], ["0-1", "4-9"])
    assert table.to_numpy().tolist() == [
        ["100 steps of Adam, sd 0.1", "4 [4, 4]", "4 [4, 4]"],
        [r"\code{converged}, 300 rows", "--", "4 [4, 4]"],
    ]


def test_relations_and_models_are_those_of_the_protocols_that_have_every_pair():
    error = pd.Series({f"{i}-{j}": 0.001 * (i + 2 * j) for j in range(5) for i in range(j)})
    rows = [
        (protocol, task, relative, width)
        for protocol in ("published", "described")
        for relative in (False, True)
        for task, width in zip(error.index, [0, 1, 1, 2, 4, 4, 4, 8, 8, np.nan], strict=True)
        if protocol == "described" or task in ("0-1", "1-2")
    ]
    needed = pd.DataFrame(rows, columns=["protocol", "task", "relative", "minimum_width"])
    width = needed[needed.relative & (needed.protocol == "described")]
    width = width.set_index("task").minimum_width
    relations = measures.relations(needed, error)
    assert relations.protocol.tolist() == ["described"] * 2
    assert relations.censored.tolist() == [1, 1]
    assert relations.effect[0] == qap(error, width).effect
    models = measures.models(needed, error, 8)
    assert len(models) == 2 * 4
    expected = compare_models(error, width, 8)
    pd.testing.assert_frame_equal(models.iloc[:4][expected.columns], expected)


def test_the_probe_error_alone_is_that_of_all_measures(digits):
    alone = difficulty.probe_errors("MNIST", ["4-9"], 100)
    every = difficulty.measure("MNIST", "4-9", 100, 20, 1)
    expected = every[every.measure == "linear_probe_error"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, expected)


def test_the_maps_of_learning_rates_have_one_axis_of_widths_though_a_panel_lacks_some():
    def panel(*widths: int) -> pd.DataFrame:
        f1 = [width / 100 for width in widths]
        return pd.DataFrame({"width": widths, "learning_rate": 0.03, "f1": f1})

    figure = learning_rate_maps({"the study's": panel(4, 64), "ours": panel(0, 4, 64)})
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["0", "4", "64"]
    for axes, widths in zip(figure.axes, ([4, 64], [0, 4, 64]), strict=True):
        shown = {int(names[text.get_position()[1]]): text.get_text() for text in axes.texts}
        assert shown == {width: f"{width / 100:.2f}" for width in widths}
