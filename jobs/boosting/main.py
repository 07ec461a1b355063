"""Gradient boosting: how much a customer spends and how often, from what the customer did before."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

sys.path.append(str(Path(__file__).parent.parent))
from job import run_candidate

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

Models = dict[str, HistGradientBoostingRegressor]


def fit(examples: pd.DataFrame) -> Models:
    # Counts and spending are not negative and mostly zero, which the Poisson deviance takes into account.
    return {
        target: HistGradientBoostingRegressor(
            loss="poisson", learning_rate=0.05, max_iter=200, max_leaf_nodes=15, min_samples_leaf=50, random_state=1
        ).fit(examples[FEATURES], (examples[outcome] / examples["weeks"]).clip(lower=0))
        for target, outcome in TARGETS.items()
    }


def predict(models: Models, examples: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {target: model.predict(examples[FEATURES]) * examples["weeks"] for target, model in models.items()}
    )


if __name__ == "__main__":
    run_candidate("boosting", fit, predict)
