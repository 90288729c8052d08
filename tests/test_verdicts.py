"""Verdicts are those of the committed tables, and the paper's sentences follow them."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_claims import committed, noisy

from lib import ROOT, claims
from lib.claims.__main__ import main, recompute
from lib.output import report
from lib.output.latex import escaped
from lib.study import store
from lib.study.parameters import NOTEBOOKS

FIGURES, GENERATED = ROOT / "figures", ROOT / "paper" / "generated"


PENDING = pytest.mark.xfail(
    strict=True, reason="tables and verdicts are the first version's: `make paper` renews them"
)
OLD = ("02_capacity", "03_pruning")
"""What today's rules make otherwise: a budget's columns, and what rounding ties."""


@pytest.mark.slow
@committed
@pytest.mark.parametrize(
    "notebook", [pytest.param(n, marks=[PENDING] if n in OLD else []) for n in NOTEBOOKS]
)
def test_the_committed_verdicts_are_those_of_the_committed_tables(notebook):
    rows, _ = claims.decide(notebook, FIGURES)
    saved = pd.read_csv(FIGURES / notebook / "claims.csv", dtype={"reading": str, "note": str})
    numbers = ["effect", "ci_low", "ci_high"]
    words = [column for column in rows if column not in numbers]
    assert rows[words].astype(str).to_numpy().tolist() == (
        saved[words].fillna("").astype(str).to_numpy().tolist()
    )
    found, expected = (table[numbers].to_numpy(float) for table in (rows, saved))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)


@committed
def test_no_committed_verdict_is_empty_or_given_twice():
    rows = claims.collected(FIGURES)
    assert set(rows.verdict) <= set(claims.VERDICTS)
    assert (rows.rule.str.len() > 0).all()
    assert not rows.duplicated(["claim", "protocol", "reading"]).any()
    assert (rows[rows.verdict == "untestable"].note.str.len() > 0).all()


@committed
def test_publishing_the_committed_verdicts_again_changes_no_byte(tmp_path):
    figures, generated = shutil.copytree(FIGURES, tmp_path / "figures"), tmp_path / "generated"
    for _ in range(2):
        claims.publish(figures, generated)
        assert (figures / "claims.csv").read_bytes() == (FIGURES / "claims.csv").read_bytes()
        for name in ("verdicts.tex", "claims.tex"):
            assert (generated / name).read_bytes() == (GENERATED / name).read_bytes()


@committed
def test_what_another_notebook_decides_meanwhile_is_published_too(tmp_path, monkeypatch):
    figures = tmp_path / "figures"
    shutil.copytree(FIGURES / "02_capacity", figures / "02_capacity")
    write = store.write

    def as_another_ends(path: Path, content: bytes) -> None:
        write(path, content)
        shutil.copytree(FIGURES / "03_pruning", figures / "03_pruning", dirs_exist_ok=True)

    monkeypatch.setattr(store, "write", as_another_ends)
    claims.publish(figures, tmp_path / "generated")
    published = pd.read_csv(figures / "claims.csv").claim
    assert {claim.partition(".")[0] for claim in published} == {"capacity", "pruning"}
    assert "pruning.robust95" in (tmp_path / "generated" / "verdicts.tex").read_text("utf-8")


@committed
def test_claims_are_joined_in_their_order_and_what_is_missing_is_the_rest():
    rows = claims.collected(FIGURES)
    given = list(rows[["claim", "protocol", "reading"]].itertuples(index=False, name=None))
    missing = claims.missing(rows)
    assert sorted(given + missing) == sorted(claims.conditions())
    assert given == [name for name in claims.conditions() if name in given]


def test_where_nothing_was_measured_every_claim_is_missing(tmp_path):
    found = [claims.decide(notebook, tmp_path) for notebook in NOTEBOOKS]
    assert all(rows.empty for rows, _ in found)
    reasons = [reason for _, undecided in found for reason in undecided]
    assert (
        len(reasons) == len(claims.missing(claims.collected(tmp_path))) == len(claims.conditions())
    )
    assert {each.claim for each in reasons} == set(claims.RULES)


HOLDS = noisy(lambda width, sigma: 10 * sigma / width)
FAILS = noisy(lambda width, sigma: sigma * width / 64)


def decided(folder: Path, networks: pd.DataFrame) -> tuple[Path, Path]:
    """Figures and generated files after the verdicts of this one table."""
    figures, generated = folder / "figures", folder / "generated"
    (figures / "04_robustness").mkdir(parents=True, exist_ok=True)
    networks.to_csv(figures / "04_robustness" / "networks.csv", index=False)
    recompute(figures, generated)
    return figures, generated


@pytest.mark.parametrize(
    ("networks", "verdict"),
    [(HOLDS, "supported"), (FAILS, "not supported")],
    ids=["holds", "fails"],
)
def test_an_altered_table_alters_the_verdict_the_macro_and_the_papers_table(
    networks, verdict, tmp_path
):
    figures, generated = decided(tmp_path, HOLDS)
    figures, generated = decided(tmp_path, networks)
    rows = pd.read_csv(figures / "claims.csv").set_index(["claim", "protocol"])
    assert rows.verdict["robustness.noise", "described"] == verdict
    macro = f"\\defverdict{{robustness.noise}}{{described}}{{{verdict}}}"
    assert macro in (generated / "verdicts.tex").read_text("utf-8")
    assert f"\\verdictcell{{{verdict}}}" in (generated / "claims.tex").read_text("utf-8")


SENTENCE = r"""\documentclass{article}\usepackage{results}\begin{document}\noindent
Width is \verdict{robustness.noise}{described}.
It \ifverdict{robustness.noise}{described}{supported}{does buy}{does not buy} robustness.
So we \byverdict{robustness.noise}{described}{widen}{choose}{prune}{wait}.
The lead is \result{claim.robustness.noise.described}.
Elsewhere: \verdict{saliency.strokes}{described}.\end{document}"""

PROSE = r"""\documentclass{article}\usepackage{natbib,results}\raggedright\hyphenpenalty10000
\newcommand{\code}[1]{\texttt{#1}}\newcommand{\cref}[1]{a reference}
\begin{document}\input{sections/abstract}

\input{sections/conclusion}\end{document}"""


def typeset(text: str, folder: Path) -> tuple[str, str]:
    """What a LaTeX text says when it is typeset beside `generated`, in one line, and the log."""
    (folder / "text.tex").write_text(text, "utf-8")
    environment = os.environ | {"TEXINPUTS": f".:{ROOT / 'paper'}:"}
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "text.tex"]
    made = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    assert made.returncode == 0, made.stdout
    found = subprocess.run(["pdftotext", "text.pdf", "-"], cwd=folder, capture_output=True)
    return " ".join(found.stdout.decode().split()), " ".join(made.stdout.split())


needs_tex = [
    pytest.mark.tex,
    pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed"),
    pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed"),
]


def tex(test: Callable[..., None]) -> Callable[..., None]:
    """A test that needs LaTeX and pdftotext."""
    for mark in needs_tex:
        test = mark(test)
    return test


@tex
@pytest.mark.parametrize(
    ("networks", "says"),
    [
        (HOLDS, "Width is supported. It does buy robustness. So we widen. The lead is 0.026."),
        (
            FAILS,
            "Width is not supported. It does not buy robustness. So we prune. The lead is −0.31.",
        ),
    ],
    ids=["holds", "fails"],
)
def test_a_sentence_of_the_paper_follows_the_verdict(networks, says, tmp_path):
    decided(tmp_path, networks)
    text, log = typeset(SENTENCE, tmp_path)
    assert text.startswith(says)
    assert text.count("Elsewhere: n/a.") == 1
    assert "saliency.strokes has no verdict" in log


CHOSEN = {
    "supported": (
        "after 100 steps wider networks are more robust to noise",
        "In briefly trained ones it does as well.",
    ),
    "not supported": (
        "after 100 steps wider networks score higher under noise, and are not shown to lose less",
        "In briefly trained ones it buys a higher score, on clean and on noisy images alike.",
    ),
}


@tex
@pytest.mark.parametrize(
    ("networks", "verdict"),
    [(HOLDS, "supported"), (FAILS, "not supported")],
    ids=["holds", "fails"],
)
def test_the_abstract_and_the_conclusion_follow_the_verdict(networks, verdict, tmp_path):
    decided(tmp_path, networks)
    text, _ = typeset(PROSE, tmp_path)
    for case, sentences in CHOSEN.items():
        assert [sentence in text for sentence in sentences] == [case == verdict] * 2


def test_a_claim_is_open_where_one_of_its_tables_is_not_there(tmp_path):
    figures, _ = decided(tmp_path, HOLDS)
    rows, undecided = claims.decide("04_robustness", figures)
    assert "robustness.general" not in set(rows.claim)
    reasons = {each.claim: each.reason for each in undecided}
    assert reasons["robustness.general"] == "there is no table 04_robustness/exact.csv"


def test_a_notebook_shows_its_verdicts_with_a_sign_and_says_what_is_open(
    digits, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    out = report.Report("04_robustness", {"profile": "tiny", "dataset": "MNIST"})
    out.table(HOLDS, "networks")
    shown, again = (claims.conclude(out).to_html() for _ in range(2))
    assert shown == again
    assert all(text in shown for text in ("✓", "supported", "robustness.noise", "#009E73"))
    assert "no verdict on robustness.occlusion (described)" in capsys.readouterr().out
    assert (tmp_path / "build" / "tiny" / "figures" / "04_robustness" / "claims.csv").is_file()
    assert (tmp_path / "build" / "tiny" / "generated" / "verdicts.tex").is_file()


def test_the_paper_gets_a_mean_by_group_with_its_interval_where_seeds_are_enough(
    digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(report, "ROOT", tmp_path)
    out = report.Report("05_saliency", {"profile": "tiny", "dataset": "MNIST"})
    many = pd.DataFrame({"protocol": "described", "task": "4-9", "rho": [0.2, 0.2, 0.2, 0.2, 0.2]})
    few = pd.DataFrame({"protocol": "published", "task": "4-9", "rho": [0.1, 0.5]})
    means = out.means(pd.concat([many, few]), ["protocol", "task"], "rho", "maps")
    assert means["mean"].tolist() == pytest.approx([0.2, 0.3])
    out.write_numbers()
    assert (tmp_path / "build/tiny/generated/05_saliency.tex").read_text("utf-8") == (
        "\\defresult{maps.described.4-9}{0.200}{0.200}{0.200}{5}\n"
        "\\defresult{maps.published.4-9}{0.300}{}{}{2}\n"
    )


def test_each_verdict_has_a_sign_of_its_own_and_a_colour_that_the_paper_has_too():
    style = (ROOT / "paper" / "results.sty").read_text("utf-8")
    assert list(claims.SIGNS) == list(claims.COLOURS) == list(claims.VERDICTS)
    assert len(set(claims.SIGNS.values())) == len(claims.VERDICTS)
    for verdict, colour in claims.COLOURS.items():
        assert f"{{verdict {verdict}}}{{HTML}}{{{colour[1:]}}}" in style


def test_text_is_set_as_latex_wants_it():
    assert escaped("95 % of 7x7, every sigma ...") == (
        r"95\,\% of $7\times7$, every $\sigma$ \dots{}"
    )
    assert escaped("as_coded & {x}") == r"as\_coded \& \{x\}"


@pytest.mark.parametrize("arguments", [[], ["nothing"]], ids=["none", "an unknown profile"])
def test_a_profile_without_tables_is_answered_with_one_sentence(arguments, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
