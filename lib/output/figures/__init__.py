"""The paper's pictures: a file a notebook or question, each function a table in, a figure out.

`style` is how they look and are saved; `drawing` and `axes` are what they are made of.
"""

from lib.output.figures.style import Picture, png, save, use_style
