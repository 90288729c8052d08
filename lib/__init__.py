"""What low-capacity networks can do: README says which folder holds what."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: `data`, `figures`, `params`, `published` and `build` lie under it."""
