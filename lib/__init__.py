"""What low-capacity networks can do: subject, networks, treatments, judgement."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: `data`, `figures`, `params`, `published` and `build` lie under it."""
