"""Models of the minimum width as a function of difficulty, compared by leave-one-pair-out error."""

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_ndtr

from lib.errors import UserError
from lib.statistics.intervals import rounding
from lib.statistics.pairs import jackknife, matched

MODELS = ("constant", "linear", "logarithmic", "power")
"""W* = a, a + b d, a + b log2 d, and a d^b, of difficulty d."""

BEYOND = 4
"""How many doublings past the widest network a fit may end, where censored pairs leave it open."""

LEAST_SD = 0.1
"""The least sd of a fit, in doublings: the grid of widths tells no finer (a step of half a doubling
has an sd of 0.14), and a perfect fit would have an infinite likelihood."""


class Observed(NamedTuple):
    """Difficulty, log2 of W* (of the widest width where censored), and whether it is censored."""

    difficulty: np.ndarray
    doublings: np.ndarray
    censored: np.ndarray

    def take(self, places: np.ndarray) -> "Observed":
        """The pairs at `places`."""
        return Observed(*(values[places] for values in self))


def compare_models(difficulty: pd.Series, width: pd.Series, widest: float) -> pd.DataFrame:
    """Constant, linear, logarithmic and power models of W* by difficulty, one row each.

    difficulty, width: indexed by task; a width of NaN is censored: above `widest`. Columns model,
    a, b (see `MODELS`), loo_error, difference (of that from the constant model's, below 0 where the
    model is better), se, low, high (95 %, `jackknife`), n (pairs), censored (how many of them).

    A fit is the likeliest of log2 W* as normal about the log2 of the model, a censored one adding
    the chance that it lies above the widest (Tobin 1958); widths 0 and 1 both count as one unit.
    loo_error is the mean, over pairs, of the distance between W* and what a fit to the other pairs
    predicts, in doublings of the width; a prediction is at least one unit, and of a censored
    W* the distance counts only up to the widest: the least that the error can be. All numbers but
    the counts are NaN where fewer than 3 pairs are uncensored. W* is a width of the grid, so a and
    b describe a need rounded up.
    Raises `UserError` as `matched` does, for fewer than 3 different difficulties, for one that is
    not above 0 and so has no logarithm, and for a width above `widest`.
    """
    observed = _observed(difficulty, width, widest)
    errors = {model: _left_out_errors(model, observed) for model in MODELS}
    rows = []
    for model in MODELS:
        gain = errors[model] - errors["constant"]
        gain[np.abs(gain) <= rounding(errors[model])] = 0
        spread = jackknife(list(difficulty.index), partial(_mean_at, gain))
        parameters = _parameters(_fit(model, observed))
        rows.append((model, *parameters, errors[model].mean(), gain.mean(), *spread))
    columns = ["model", "a", "b", "loo_error", "difference", "se", "low", "high"]
    table = pd.DataFrame(rows, columns=columns)
    if (~observed.censored).sum() < 3:
        table[columns[1:]] = np.nan
    return table.assign(n=len(difficulty), censored=int(observed.censored.sum()))


def _mean_at(values: np.ndarray, places: np.ndarray) -> float:
    """The mean of the values at `places`."""
    return float(values[places].mean())


def _observed(difficulty: pd.Series, width: pd.Series, widest: float) -> Observed:
    """What is fitted, checked."""
    width = matched(difficulty, width)
    if (difficulty <= 0).any() or difficulty.nunique() < 3:
        given = difficulty.tolist()
        raise UserError(f"difficulties {given} make no fit: give 3 different ones, all above 0")
    if (width > widest).any():
        raise UserError(
            f"width {width.max():g} is above the widest, {widest:g}: say what the widest is"
        )
    units = width.fillna(widest).clip(lower=1)
    return Observed(difficulty.to_numpy(float), np.log2(units.to_numpy()), width.isna().to_numpy())


class Fit(NamedTuple):
    """A model by its log2 widths at the least and the greatest predictor that it was fitted to.

    So given it is above 0 between them, where a width must be, whatever the two numbers are.
    """

    model: str
    span: tuple[float, float]
    ends: tuple[float, float]


def _predictor(model: str, difficulty: np.ndarray) -> np.ndarray:
    """The term of the difficulty that a model is linear in."""
    return difficulty if model == "linear" else np.log2(difficulty)


def _predicted(fit: Fit, difficulty: np.ndarray) -> np.ndarray:
    """log2 W* of a fit; where that is less than one unit, one unit."""
    (start, stop), (low, high) = fit.span, fit.ends
    place = (_predictor(fit.model, difficulty) - start) / (stop - start)
    if fit.model in ("constant", "power"):
        return np.maximum(low + (high - low) * place, 0)
    return np.log2(np.maximum(2**low + (2**high - 2**low) * place, 1))


def _fit(model: str, observed: Observed) -> Fit:
    """The likeliest fit of a model; the constant one has a single value for both ends."""
    x, y = _predictor(model, observed.difficulty), observed.doublings
    span, top = (x.min(), x.max()), y.max() + BEYOND

    def loss(parameters: np.ndarray) -> float:
        fit = Fit(model, span, (parameters[1], parameters[-1]))
        z = (y - _predicted(fit, observed.difficulty)) / np.exp(parameters[0])
        return -np.where(observed.censored, log_ndtr(-z), -(z**2) / 2 - parameters[0]).sum()

    ends = [y.mean()] if model == "constant" else np.polyval(np.polyfit(x, y, 1), span)
    least = np.log(LEAST_SD)
    found = minimize(
        loss,
        [max(np.log(y.std() + LEAST_SD), least), *np.clip(ends, 0, top)],
        method="L-BFGS-B",
        bounds=[(least, None), *[(0, top)] * len(ends)],
    ).x
    return Fit(model, span, (found[1], found[-1]))


def _parameters(fit: Fit) -> tuple[float, float]:
    """a and b of a fit, as `MODELS` has them; b of the constant is NaN."""
    (start, stop), (low, high) = fit.span, fit.ends
    if fit.model == "constant":
        return float(2**low), np.nan
    if fit.model == "power":
        b = (high - low) / (stop - start)
        return float(2 ** (low - b * start)), float(b)
    b = (2**high - 2**low) / (stop - start)
    return float(2**low - b * start), float(b)


def _left_out_errors(model: str, observed: Observed) -> np.ndarray:
    """For each pair, how far W* is from what a fit to the others predicts, in doublings."""
    places = np.arange(len(observed.difficulty))
    fits = [_fit(model, observed.take(np.delete(places, place))) for place in places]
    predicted = np.array(
        [_predicted(fit, d) for fit, d in zip(fits, observed.difficulty, strict=True)]
    )
    short = observed.doublings - predicted
    return np.where(observed.censored, np.maximum(short, 0), np.abs(short))
