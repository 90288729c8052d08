"""The README says what the notebooks found, and names what is there."""

import re

import pandas as pd
import pytest
from test_results import defined

from lib import ROOT

README = (ROOT / "README.md").read_text("utf-8")
QUOTED = re.findall(r"([-\d.]+)<!-- ([^\s/]+) -->", README)


@pytest.mark.parametrize(("value", "name"), QUOTED)
def test_a_number_in_the_readme_is_the_one_that_a_notebook_gave(value, name):
    assert defined()[name][0].replace("$-$", "-") == value


MINUTES = re.findall(r"([-\d.]+)<!-- notebooks/(\w+) -->", README)


@pytest.mark.parametrize(("value", "notebook"), MINUTES)
def test_the_minutes_in_the_readme_are_those_that_a_notebook_took(value, notebook):
    rows = pd.read_csv(ROOT / "benchmarks" / "notebooks.csv", keep_default_na=False)
    [minutes] = rows.minutes[(rows.notebook == notebook) & (rows.asked == "")]
    assert round(minutes) == int(value)


TIMES = re.findall(r"([-\d.]+)<!-- (results|growth)/([^/]+)/(?:([^/]+)/)?(\w+) -->", README)


@pytest.mark.parametrize(("value", "table", "kind", "contender", "column"), TIMES)
def test_a_time_in_the_readme_is_the_one_that_was_measured(value, table, kind, contender, column):
    rows = pd.read_csv(ROOT / "benchmarks" / f"{table}.csv")
    here = rows.axis == kind if table == "growth" else rows.setting == kind
    found = rows[here & (rows.contender == contender)] if contender else rows[here]
    digits = len(value.partition(".")[2])
    assert {round(each, digits) for each in found[column]} == {float(value)}


def test_the_readme_quotes_times():
    assert len(TIMES) >= 10
    assert MINUTES


def test_the_readme_quotes_numbers():
    assert len(QUOTED) >= 10


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!https?://)[^)#]+)\)", README))
def test_a_link_in_the_readme_leads_somewhere(link):
    assert (ROOT / link).exists()
