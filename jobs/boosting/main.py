"""Gradient boosting: how much a customer spends, with an interval, and how often, from what the customer did before."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))
from job import run_candidate  # first, because it sets how the packages below use threads

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

FEATURES = [
    "age_days",
    "recency_days",
    "purchases",
    "value",
    "largest_value",
    "purchases_4_weeks",
    "purchases_13_weeks",
    "purchases_52_weeks",
    "value_13_weeks",
    "value_52_weeks",
]
#: What is predicted, and the outcome that it is learned from: both per week, so that examples of any length compare.
TARGETS = {"expected_purchases": "actual_purchases", "expected_value": "actual_value"}

#: The ends of the interval of the value, and the probability of less.
ENDS = {"low": 0.1, "high": 0.9}

#: A regressor for each figure, and the weeks of the outcomes.
Model = tuple[dict[str, HistGradientBoostingRegressor], int]


def fit_one(examples: pd.DataFrame, outcome: str, loss: str, **options: float) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        loss=loss, learning_rate=0.05, max_iter=200, max_leaf_nodes=15, min_samples_leaf=50, random_state=1, **options
    ).fit(examples[FEATURES], (examples[outcome] / examples["weeks"]).clip(lower=0))


def fit(examples: pd.DataFrame) -> Model:
    # Counts and spending are not negative and mostly zero, which the Poisson deviance takes into account.
    means = {target: fit_one(examples, outcome, "poisson") for target, outcome in TARGETS.items()}
    ends = {end: fit_one(examples, "actual_value", "quantile", quantile=below) for end, below in ENDS.items()}
    return means | ends, int(examples["weeks"].max())


def predict(model: Model, examples: pd.DataFrame) -> pd.DataFrame:
    regressors, weeks = model
    given = pd.DataFrame(
        {figure: each.predict(examples[FEATURES]) * examples["weeks"] for figure, each in regressors.items()}
    )
    # Each end has its own trees, so they can cross.
    given["low"] = given["low"].clip(lower=0)
    given["high"] = given["high"].clip(lower=given["low"])
    # The quantiles of a longer time are not multiples: most customers buy nothing in a week, and many buy in a year.
    other = examples["weeks"] != weeks
    given.loc[other, list(ENDS)] = np.nan
    given["reason"] = np.where(other, f"No interval: the model learned from outcomes of {weeks} weeks.", None)
    return given


if __name__ == "__main__":
    run_candidate("boosting", fit, predict)
