"""The values of the published figures (arXiv:2507.16278), read off the plots to about 0.003."""

import pandas as pd

from lib import ROOT


def read(name: str) -> pd.DataFrame:
    """One published figure or table as columns, such as "fig3_best_f1_by_width"."""
    return pd.read_csv(ROOT / "published" / f"{name}.csv")
