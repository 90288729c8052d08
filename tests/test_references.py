"""What the paper cites is in its bibliography, whole; and what is there is cited."""

import re

import pytest

from lib import ROOT

BIBLIOGRAPHY = (ROOT / "paper" / "references.bib").read_text("utf-8")
ENTRIES = {
    key: dict(re.findall(r"^\s*(\w+)\s*=\s*(.+?),?$", fields, re.MULTILINE))
    for key, fields in re.findall(
        r"^@\w+\{([\w-]+),\n(.*?)^\}", BIBLIOGRAPHY, re.DOTALL | re.MULTILINE
    )
}
VENUES = {"journal", "booktitle", "publisher"}
SECTIONS = "\n".join(
    path.read_text("utf-8") for path in sorted((ROOT / "paper" / "sections").glob("*.tex"))
)
CITED = {
    key.strip()
    for keys in re.findall(r"\\cite\w*(?:\[[^]]*\])*\{([^}]*)\}", SECTIONS)
    for key in keys.split(",")
}


def test_every_cited_work_is_in_the_bibliography_and_every_entry_is_cited():
    assert len(ENTRIES) == len(re.findall(r"^@(?!preamble)", BIBLIOGRAPHY, re.MULTILINE))
    assert set(ENTRIES) == CITED


@pytest.mark.parametrize("key", ENTRIES)
def test_an_entry_has_authors_a_title_a_year_and_a_venue_or_a_place_to_find_it(key):
    entry = ENTRIES[key]
    assert entry.keys() >= {"author", "title", "year"}
    assert re.fullmatch(r"\{(19|20)\d\d\}", entry["year"])
    assert entry["year"][1:5] in key
    assert VENUES & entry.keys() or "arxiv" in entry.get("note", "") or "url" in entry


def test_no_work_is_in_the_bibliography_twice():
    titles = [re.sub(r"\W", "", entry["title"]).lower() for entry in ENTRIES.values()]
    assert len(titles) == len(set(titles))
