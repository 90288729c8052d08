"""What holds of every picture: how a thing looks, what can be read, what is drawn at all."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from lib import ROOT
from lib.output import figures
from lib.output.figures import (
    agreement,
    capacity,
    corruptions,
    drawing,
    exact,
    pruning,
    saliency,
    tasks,
)
from lib.output.figures.drawing import Facets
from lib.output.figures.style import DOUBLE, PROTOCOLS, READINGS, SINGLE, SMALL, TASKS, looks_of

NAMES = st.one_of(st.sampled_from([*PROTOCOLS, "new", "newer"]), st.tuples(st.text(), st.text()))


@given(st.lists(NAMES))
def test_what_has_a_look_keeps_it_and_what_has_none_gets_one(names):
    looks = looks_of(names, PROTOCOLS)
    assert looks.keys() == set(names)
    assert all(looks[name] == PROTOCOLS[name] for name in names if name in PROTOCOLS)
    assert [name for name in looks if name in PROTOCOLS] == [p for p in PROTOCOLS if p in names]


@pytest.mark.parametrize("looks", [TASKS, PROTOCOLS, READINGS])
def test_things_that_stand_beside_one_another_differ_without_colour_too(looks):
    assert len({look.marker for look in looks.values()}) == len(looks)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_a_number_in_a_heat_map_stands_out_from_its_cell(values):
    [[ax]] = Facets([""], [""], 2).axes
    cells = pd.DataFrame([values])
    image = drawing.heat_map(ax, cells, cells.map("{:.2f}".format), cmap="viridis", vmin=0, vmax=1)
    for text, value in zip(ax.texts, values, strict=True):
        one, other = (
            np.dot(to_rgb(each), (0.299, 0.587, 0.114))
            for each in (text.get_color(), image.to_rgba(value))
        )
        assert abs(one - other) >= 0.49


def test_an_interval_that_rounding_puts_beside_its_mean_is_drawn():
    [[ax]] = Facets([""], [""], 2).axes
    means = pd.DataFrame({"mean": [0.1], "low": [np.nextafter(0.1, 1)], "high": [np.nan]})
    drawing.bars(ax, [0], means, TASKS["4-9"])
    assert ax.containers[0].lines[0].get_ydata().tolist() == [0.1]


SPEARMAN = [*PROTOCOLS], "spearman", "Spearman's $\\rho$"
DRAWN = {
    "01_tasks/difficulty_by_pair": (tasks.difficulty_by_pair, [*TASKS]),
    "01_tasks/rank_agreement": (tasks.rank_agreement,),
    "02_capacity/minimum_width_by_task": (capacity.minimum_width, 64, 0.9),
    "02_capacity/width_by_budget": (capacity.width_by_budget, 64, 0.9),
    "03_pruning/f1_change_of_controls": (pruning.controls, [*PROTOCOLS], "f1_change", "change"),
    "03_pruning/boundary": (pruning.boundary, ["described"], "sparsity"),
    "03_pruning/hidden_layer": (pruning.hidden_maps,),
    "04_robustness/kinds": (corruptions.contact_sheet,),
    "04_robustness/leads": (corruptions.leads, 64, 24),
    "04_robustness/leads_by_task": (corruptions.leads_by_task, ["0-1", "4-9"]),
    "04_robustness/exact_map": (exact.exact_map,),
    "04_robustness/least_changes_by_width": (exact.by_width,),
    "05_saliency/maps_published": (saliency.maps,),
    "05_saliency/agreement_by_kind": (agreement.controls, *SPEARMAN),
    "05_saliency/places": (saliency.places, [*PROTOCOLS]),
    "05_saliency/units_by_width": (saliency.units, [*PROTOCOLS]),
}
"""Functions that draw, and what they take beside the table of that name."""


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_has_the_width_of_the_paper_and_only_text_that_can_be_read_in_print(name):
    draw, *given = DRAWN[name]
    figures.use_style()
    [path] = (ROOT / "tests" / "smoke").glob(f"{name}.csv*")
    figure = draw(pd.read_csv(path), *given)
    FigureCanvasAgg(figure).draw()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= SMALL
    assert figure.get_figwidth() in (SINGLE, DOUBLE)
    left, low, right, high = figure.get_tightbbox().extents
    assert min(left, low) >= 0
    assert right <= figure.get_figwidth()
    assert high <= figure.get_figheight()
