"""The picture of the explorer: an image clean and corrupted, and what two networks make of it."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from lib.output.figures.drawing import show_image
from lib.output.figures.style import Picture


def draw(
    images: Tensor,
    maps: Mapping[str, Tensor],
    answers: Mapping[str, Sequence[str]],
    conditions: Sequence[str],
    digits: tuple[int, int],
) -> Picture:
    """A row for each condition: the image, and each network's map with its answer below.

    images: (conditions, 784); maps, answers: by network, (conditions, 784) and one a condition.
    Each map has its own scale, darker for more; one with a sign is grey where it is 0.
    """
    figure = Picture(figsize=(4.8, 4.2))
    axes = figure.subplots(len(images), 1 + len(maps), squeeze=False)
    signed = any(bool((values < 0).any()) for values in maps.values())
    for place, (row, condition) in enumerate(zip(axes, conditions, strict=True)):
        show_image(row[0], images[place].numpy())
        row[0].set_xlabel(condition.replace(", ", "\n"))
        for ax, (name, values) in zip(row[1:], maps.items(), strict=True):
            top = float(values[place].abs().max()) or 1.0
            low, colours = (-top, "gray_r") if signed else (0, "magma_r")
            show_image(ax, values[place].numpy(), vmin=low, vmax=top, cmap=colours)
            ax.set_xlabel(answers[name][place].replace(", ", "\n"))
    for ax, title in zip(axes[0], ["image", *maps], strict=True):
        ax.set_title(title)
    figure.subplots_adjust(0.01, 0.15, 0.99, 0.94, wspace=0.05, hspace=0.3)
    figure.text(0.5, 0.02, legend(signed, digits), ha="center")
    return figure


def legend(signed: bool, digits: tuple[int, int]) -> str:
    """How to read the maps."""
    low, high = digits
    if not signed:
        return "Maps: the darker, the more the pixel matters. Each has its own scale."
    return (
        f"Maps: dark speaks for {high}, light for {low}, grey for neither. Each has its own scale."
    )
