"""Numbers and text as LaTeX prints them."""

import math
import re


def formatted(value: float | str, form: str) -> str:
    """A number as the paper prints it, with a real minus sign; text as it stands."""
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "--"
    text = format(value, form)
    return f"$-${text[1:]}" if text.startswith("-") and float(text) != 0 else text.lstrip("-")


def escaped(text: str) -> str:
    """Plain text for LaTeX: its special characters printed, its dots, spaces and products set."""
    text = re.sub(r"([&%$#_{}])", r"\\\1", text)
    text = text.replace("...", r"\dots{}").replace(r" \%", r"\,\%").replace("sigma", r"$\sigma$")
    return re.sub(r"(\d)x(\d)", r"$\1\\times\2$", text)
