"""The explorer of notebook 05: controls, and a panel that follows them.

It needs ipywidgets in the kernel and in the frontend. Where either has none, the panel stands still
at what it began with, as a picture.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from lib.errors import UserError
from lib.output.panel import Choice, Offer, Panel, choice, offer, panel
from lib.study import Shard

try:
    import ipywidgets as widgets
except ImportError:
    widgets = None

WIDGET = "application/vnd.jupyter.widget-view+json"
"""The type of a display that a frontend without widgets passes over."""

SLIDERS = ("width", "sparsity", "row", "severity")
"""The parts of a choice that are numbers."""


class Explorer:
    """A control for each part of a choice, and the panel of what they say.

    controls: widgets by the name of what they choose; words, picture: the widgets of the panel.
    """

    def __init__(self, offered: Offer, begin: Choice) -> None:
        self.offered = offered
        self.controls = {
            name: control(name, values, getattr(begin, name))
            for name, values in offered.may_be.items()
        }
        self.words = widgets.HTML()
        self.picture = widgets.Image(format="png", layout={"max_width": "560px"})
        for each in self.controls.values():
            each.observe(lambda _: self.update(), "value")
        self.panel = panel(offered, begin)
        self.show(self.panel)

    def update(self) -> None:
        """Show what the controls say; what goes wrong is shown in the place of the picture."""
        chosen = Choice(**{name: each.value for name, each in self.controls.items()})
        try:
            self.panel = panel(self.offered, chosen)
        except Exception as error:  # nobody would see what is raised here
            self.fail(error)
        else:
            self.show(self.panel)

    def show(self, seen: Panel) -> None:
        """Show a panel."""
        self.picture.value, self.picture.layout.visibility = seen.picture, "visible"
        lines = "<br>".join(escape(line) for line in seen.words.splitlines())
        self.words.value = f"<div style='line-height: 1.4'>{lines}</div>"

    def fail(self, error: Exception) -> None:
        """Show an error, in its own words where they are for the reader."""
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        self.picture.layout.visibility = "hidden"
        self.words.value = f"<b>{escape(f'{kind}{error}')}</b>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        chosen = widgets.VBox(list(self.controls.values()))
        seen = widgets.VBox([self.words, self.picture], layout={"flex": "1 1 420px"})
        box = widgets.Box([chosen, seen], layout={"flex_flow": "row wrap", "grid_gap": "8px"})
        return {**self.panel._repr_mimebundle_(), WIDGET: box._repr_mimebundle_()[WIDGET]}


def control(name: str, values: list[Any], value: Any) -> Any:
    """A slider over numbers, a list of names; it tells of a change once that is made."""
    if name in SLIDERS:
        return widgets.SelectionSlider(
            options=values, value=value, description=name, continuous_update=False
        )
    shown = [(each.replace("_", " "), each) for each in values]
    return widgets.Dropdown(options=shown, value=value, description=name)


def show(shards: Iterable[Shard], settings: Mapping[str, Any], **given: Any) -> Explorer | Panel:
    """The explorer, or without ipywidgets a still panel, beginning with what is `given`.

    shards: the networks to look at; settings: the parameters of notebook 05; given: parts of a
    `Choice` by name. Raises `UserError` where something is given that is not on offer.
    """
    offered = offer(shards, settings)
    begin = choice(offered, **given)
    return Explorer(offered, begin) if widgets else panel(offered, begin)
