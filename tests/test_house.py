"""The house: what stands in lib, and that imports go down only."""

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from lib import ROOT


def test_imports_go_down_only(capsys):
    config = str(ROOT / "pyproject.toml")
    assert lint_imports(config, no_cache=True, no_logo=True) == EXIT_STATUS_SUCCESS, (
        capsys.readouterr().out
    )


def test_lib_has_about_a_dozen_entries_each_with_a_line_that_says_what_it_is():
    entries = [path for path in (ROOT / "lib").iterdir() if path.name[0] not in "._"]
    assert len(entries) <= 13
    for entry in entries:
        source = entry if entry.suffix else entry / "__init__.py"
        assert source.read_text("utf-8").startswith('"""')
