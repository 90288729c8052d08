"""The explorer shows what is chosen: from Python, without widgets, and in a real browser."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from matplotlib.image import imread

from lib import ROOT, saliency, study
from lib.errors import UserError
from lib.output import explorer, figures, panel
from lib.output.explorer import WIDGET
from lib.robustness import corruptions
from lib.study.parameters import defaults

PICTURE = {"image/png", "text/plain"}


@pytest.fixture
def settings(digits, monkeypatch) -> dict[str, Any]:
    """The parameters of notebook 05, for fewer and smaller networks of made-up digits."""
    monkeypatch.setattr(panel, "loaded", panel.loaded.__wrapped__)
    return defaults("05_saliency") | {"widths": [4, 8], "width": 8, "limit": 200, "rows": 6}


def networks_of(settings: dict[str, Any]) -> list[study.Shard]:
    """The networks that notebook 05 trains under these parameters."""
    names = ("tasks", "seeds", "widths", "limit")
    return study.shards("MNIST", *(settings[name] for name in names))


def shown_of(settings: dict[str, Any], **given: Any) -> explorer.Explorer:
    return explorer.show(networks_of(settings), settings, **given)


def changed(shown: explorer.Explorer, **values: Any) -> None:
    """Choose as a hand would, one control after another."""
    for name, value in values.items():
        shown.controls[name].value = value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", "0-1"),
        ("protocol", "described"),
        ("width", 4),
        ("sparsity", 0.5),
        ("reading", "as_coded"),
        ("row", 5),
        ("corruption", "occlusion"),
        ("severity", 5),
        ("method", "finite_difference"),
    ],
)
def test_each_control_changes_the_panel_and_back_again(settings, name, value):
    shown = shown_of(settings)
    picture, words, before = shown.picture.value, shown.words.value, shown.controls[name].value
    changed(shown, **{name: value})
    assert shown.picture.value != picture
    assert (shown.words.value != words) == (name != "method")
    changed(shown, **{name: before})
    assert (shown.picture.value, shown.words.value) == (picture, words)


def test_it_offers_the_notebooks_own_networks_and_every_corruption_and_method(settings):
    shown = {name: each.options for name, each in shown_of(settings).controls.items()}
    names = {name: [value for _, value in shown[name]] for name in ("corruption", "method")}
    assert names["corruption"] == list(corruptions.CORRUPTIONS)
    assert names["method"] == list(saliency.METHODS)
    assert shown["width"] == (4, 8)
    assert shown["severity"] == (0, 1, 2, 3, 4, 5)
    assert settings["sparsity"] in shown["sparsity"]


def test_a_corruption_and_a_kind_of_map_that_are_added_are_there_at_once(settings, monkeypatch):
    black_out = corruptions.Corruption(lambda images, *_: images * 0, (1, 2, 3, 4, 5), "nothing")
    monkeypatch.setitem(corruptions.CORRUPTIONS, "black_out", black_out)
    signed = saliency.METHODS["gradient"].signed
    monkeypatch.setitem(
        saliency.METHODS, "signed_gradient", saliency.MapKind(signed, "signed", lambda maps: maps)
    )
    shown = shown_of(settings, corruption="black_out")
    assert "black out, severity 3 (3)" in shown.words.value
    picture = shown.picture.value
    changed(shown, method="signed_gradient")
    assert shown.picture.value != picture


def test_the_answers_are_those_of_the_networks(settings):
    shown = shown_of(settings, severity=0, sparsity=0.0, row=2)
    [shard] = [s for s in networks_of(settings) if str(s) in shown.panel.words]
    logit = study.load_shard(shard).networks.logits(shard.scored.images)[1, 2]
    digit = ("4", "9")[int(logit >= 0)]
    truth = ("4", "9")[int(shard.scored.labels[2])]
    wrong = "" if digit == truth else " (wrong)"
    answer = f"answers {digit}{wrong}, Pr(9) = {torch.sigmoid(logit):.3f}"
    assert f"row 2 is a {truth}." in shown.panel.words
    assert shown.panel.words.count(answer) == 4  # dense and pruned, clean and at severity 0


def test_a_signed_map_keeps_its_order_of_tones_in_greyscale():
    values = torch.linspace(-1, 1, 784)[None].repeat(2, 1)
    figure = figures.panel.draw(
        values * 0, {"dense": values}, {"dense": ["", ""]}, ["", ""], (4, 9)
    )
    drawn = figure.axes[1].images[0]
    red, green, blue, _ = drawn.cmap(drawn.norm(values[0])).T
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    assert (np.diff(grey) <= 0).all()
    assert "dark speaks for 9, light for 4" in figure.texts[0].get_text()


def test_what_goes_wrong_is_shown_in_the_panel_and_gone_with_the_next_choice(settings, monkeypatch):
    shown = shown_of(settings)
    words = shown.words.value
    broken = saliency.MapKind(lambda *_: 1 / 0, "broken")
    monkeypatch.setitem(saliency.METHODS, "finite_difference", broken)
    changed(shown, method="finite_difference")
    assert shown.words.value == "<b>ZeroDivisionError: division by zero</b>"
    assert shown.picture.layout.visibility == "hidden"
    changed(shown, method="gradient")
    assert (shown.words.value, shown.picture.layout.visibility) == (words, "visible")


def test_a_row_that_a_pair_does_not_have_is_named_in_the_panel(settings):
    shown = shown_of(settings | {"rows": 100_000})
    changed(shown, row=99_999)
    assert "there is no row 99999: MNIST 4-9 converged seed 0 is scored on" in shown.words.value


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"severity": 6}, r"unknown severity 6: allowed are 0, 1, 2, 3, 4, 5"),
        ({"severity": -1}, r"unknown severity -1: allowed are 0, 1"),
        ({"corruption": "gausian_noise"}, r"did you mean 'gaussian_noise'\?"),
        ({"method": "gradiant"}, r"did you mean 'gradient'\?"),
        ({"task": "9-4"}, r"unknown task '9-4': allowed are 0-1, 4-9"),
        ({"width": 5}, r"unknown width 5: allowed are 4, 8"),
        ({"sparsity": 95}, r"unknown sparsity 95: allowed are 0.0, 0.5"),
        ({"seed": 3}, r"unknown part of a choice 'seed'"),
    ],
)
def test_what_is_not_on_offer_is_answered_with_what_is(settings, given, said):
    with pytest.raises(UserError, match=said):
        shown_of(settings, **given)


def test_a_frontend_has_the_widget_or_else_the_picture_that_it_now_shows(settings):
    shown = shown_of(settings)
    changed(shown, severity=5)
    bundle = shown._repr_mimebundle_()
    assert bundle.keys() == {WIDGET, *PICTURE}
    assert base64.b64decode(bundle["image/png"]) == shown.picture.value
    assert imread(BytesIO(shown.picture.value)).ndim == 3
    assert "severity 5" in bundle["text/plain"]


WITHOUT = """
import sys
sys.modules["ipywidgets"] = None  # an import of it now fails
from lib import study
from lib.output import explorer
from lib.study.parameters import defaults
shards = study.shards("MNIST", ["4-9"], {"converged": [0]}, [4], 100)
settings = defaults("05_saliency") | {"width": 4}
print(*explorer.show(shards, settings)._repr_mimebundle_())
"""


def test_without_ipywidgets_it_is_a_picture():
    command = [sys.executable, "-c", WITHOUT]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", check=True
    )
    assert set(answer.stdout.split()) == PICTURE


def small_notebook(path: Path) -> None:
    """Notebook 05 with nothing in it but its parameters, its set-up and the explorer."""
    notebook = nbformat.read(ROOT / "notebooks" / "05_saliency.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    [shown] = [cell for cell in code if "explorer.show" in cell.source]
    notebook.cells = [*code[:3], shown]
    for cell in notebook.cells:
        cell.outputs = []
    nbformat.write(notebook, path)


@pytest.mark.slow
def test_a_stored_notebook_holds_the_picture_and_nothing_of_the_widget(tmp_path):
    small_notebook(path := tmp_path / "small.ipynb")
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "store_outputs.py", path],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    notebook = nbformat.read(path, as_version=4)
    [output] = notebook.cells[-1].outputs
    assert output.data.keys() == PICTURE
    assert "widgets" not in notebook.metadata


def program(*names: str) -> str:
    """The first of these programs that is there; the test is skipped where none is."""
    if not (found := [path for name in names if (path := shutil.which(name))]):
        pytest.skip(f"no {names[0]}: scripts/browser.sh installs it")
    return found[0]


@pytest.fixture
def browser(tmp_path) -> Iterator[Any]:
    """A headless Chromium that keeps what its console says, and a screenshot of its end."""
    selenium = pytest.importorskip("selenium.webdriver", reason="no selenium")
    options = selenium.ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for switch in (
        *("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1280,1350"),
        *("disable-background-networking", "disable-component-update", "no-first-run"),
    ):
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = selenium.Chrome(options, selenium.ChromeService(program("chromedriver")))
    yield driver
    driver.save_screenshot(str(tmp_path / "browser.png"))
    driver.quit()


@pytest.fixture
def lab(tmp_path) -> Iterator[str]:
    """The address of a JupyterLab on a folder of its own, with the small notebook in it.

    It knows no settings of the user's, asks no other machine for news, and needs no token.
    """
    root, home = tmp_path / "notebooks", tmp_path / "jupyter"
    root.mkdir()
    small_notebook(root / "small.ipynb")
    quiet = home / "settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    text = '{"fetchNews": "false", "checkForUpdates": false}'
    (quiet / "notification.jupyterlab-settings").write_text(text, "utf-8")
    folders = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = {
        **os.environ,
        **{f"JUPYTER_{folder}": str(home / folder) for folder in folders},
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    options = {
        "ServerApp.root_dir": root,
        "ServerApp.port": 0,
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": "",
        "LabApp.expose_app_in_browser": True,
        "LabApp.extension_manager": "readonly",
    }
    command = [sys.executable, "-m", "jupyter", "lab", *(f"--{k}={v}" for k, v in options.items())]
    with (tmp_path / "lab.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        while not (said := list((home / "RUNTIME_DIR").glob("jpserver-*.json"))):
            assert server.poll() is None, (tmp_path / "lab.log").read_text("utf-8")
            time.sleep(0.1)
        yield json.loads(said[0].read_text("utf-8"))["url"]
    finally:
        server.terminate()
        server.wait(20)


IDLE = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
RUN_ALL = """
const [done] = arguments, app = window.jupyterapp;
app.restored.then(() => app.shell.currentWidget.sessionContext.ready)
    .then(() => { app.commands.execute('notebook:run-all-cells'); done(); });
"""

BYTES = """
const [image, done] = arguments;
fetch(image.src).then(answer => answer.arrayBuffer())
    .then(bytes => done(Array.from(new Uint8Array(bytes))));
"""


class Page:
    """The explorer as a page has it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def find(self, css: str) -> Any:
        """The first such element."""
        return self.driver.find_element("css selector", css)

    def until(self, condition: Callable[[], Any]) -> Any:
        """What a condition gives once it gives something, or an error after two minutes."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, 120).until(lambda _: condition())

    def control(self, name: str, css: str) -> Any:
        """What is to be operated of the control with that label."""
        path = f"//label[text()='{name}']/.."
        return self.driver.find_element("xpath", path).find_element("css selector", css)

    def choose(self, name: str, value: str) -> None:
        """Choose from a list."""
        from selenium.webdriver.support.ui import Select

        Select(self.control(name, "select")).select_by_visible_text(value)

    def words(self) -> str:
        """What the panel says."""
        return self.find(".jp-OutputArea-output .widget-html-content").text

    def picture(self) -> bytes:
        """What the panel shows."""
        return bytes(self.driver.execute_async_script(BYTES, self.find("img.widget-image")))

    def after(self, change: Callable[[], Any]) -> tuple[str, bytes]:
        """Words and picture once both are others than before a change."""
        words, picture = self.words(), self.picture()
        change()
        self.until(lambda: self.words() != words and self.picture() != picture)
        return self.words(), self.picture()


@pytest.mark.slow
def test_in_a_browser_the_panel_follows_its_controls_and_the_console_has_no_error(browser, lab):
    page = Page(browser)
    browser.get(f"{lab}lab/tree/small.ipynb")
    page.until(lambda: browser.find_elements("css selector", IDLE))
    browser.execute_async_script(RUN_ALL)
    page.until(lambda: browser.find_elements("css selector", "img.widget-image"))
    assert "gaussian noise, severity 3 (0.3)" in page.words()

    words, _ = page.after(lambda: page.choose("corruption", "occlusion"))
    assert "occlusion, severity 3 (7)" in words
    right = "\ue014"  # the arrow key, which moves a slider by a step
    words, picture = page.after(lambda: page.control("severity", ".noUi-handle").send_keys(right))
    assert "occlusion, severity 4 (9)" in words
    words, other = page.after(lambda: page.choose("task", "0-1"))
    assert "MNIST 0-1 converged" in words
    assert imread(BytesIO(picture)).shape == imread(BytesIO(other)).shape

    errors = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert errors == []
