"""What a data scientist's notebook does with the same orders: pandas and the package lifetimes.

notebook.py ORDERS RUN_DATE HOLDOUT_WEEKS HORIZON_WEEKS OUT.parquet
ORDERS is Parquet or CSV with order_id, customer_id, ordered_at, amount. Prints the figures as one JSON object.
"""

import json
import resource
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter

warnings.filterwarnings("ignore")
WEEK = pd.Timedelta(weeks=1)
DAY = pd.Timedelta(days=1)


def read_purchases(path: Path) -> pd.DataFrame:
    """One row a customer and day: what the customer spent on it."""
    orders = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, parse_dates=["ordered_at"])
    orders = orders[orders.amount.notna() & (orders.amount >= 0)].drop_duplicates("order_id")
    days = orders.assign(day=pd.to_datetime(orders.ordered_at).dt.tz_localize(None).dt.normalize())
    return days.groupby(["customer_id", "day"], as_index=False).amount.sum()


def statistics(purchases: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    """A row a customer who bought before `end`; weeks are counted to the last day before it."""
    past = purchases[purchases.day < end]
    customers = past.groupby("customer_id").agg(
        first=("day", "min"), last=("day", "max"), purchases=("day", "size"), spend=("amount", "sum")
    )
    is_paid_repeat = (past.day > past.customer_id.map(customers["first"])) & (past.amount > 0)
    paid = past[is_paid_repeat].groupby("customer_id").amount.agg(["size", "mean"])
    until = end - DAY
    return customers.assign(
        x=customers.purchases - 1,
        t_x=(customers["last"] - customers["first"]) / WEEK,
        T=(until - customers["first"]) / WEEK,
        recency=(until - customers["last"]).dt.days,
        value_count=paid["size"].reindex(customers.index).fillna(0),
        mean_value=paid["mean"].reindex(customers.index).fillna(0),
    )


def fit(customers: pd.DataFrame) -> tuple[BetaGeoFitter, GammaGammaFitter]:
    """Both models by maximum likelihood."""
    bg_nbd = BetaGeoFitter()
    bg_nbd.fit(customers.x, customers.t_x, customers["T"])
    buyers = customers[customers.value_count > 0]
    gamma_gamma = GammaGammaFitter()
    gamma_gamma.fit(buyers.value_count, buyers.mean_value)
    return bg_nbd, gamma_gamma


def predict(models: tuple, customers: pd.DataFrame, weeks: int) -> tuple[pd.Series, pd.Series]:
    """Expected purchases and spending of each customer in the next weeks."""
    bg_nbd, gamma_gamma = models
    purchases = bg_nbd.conditional_expected_number_of_purchases_up_to_time(
        weeks, customers.x, customers.t_x, customers["T"]
    )
    value = gamma_gamma.conditional_expected_average_profit(customers.value_count, customers.mean_value)
    return purchases, purchases * value


def quintile(values: pd.Series) -> pd.Series:
    """Scores 1 to 5 by rank; equal values have equal scores."""
    return 1 + (5 * (values.rank(method="min") - 1) // len(values)).astype(int)


def main(orders: str, run_date: str, holdout_weeks: int, horizon: int, out: str) -> None:
    purchases = read_purchases(Path(orders))
    run = pd.Timestamp(run_date)
    cut_off = run - holdout_weeks * WEEK

    past = statistics(purchases, cut_off)
    expected, value = predict(fit(past), past, holdout_weeks)
    then = purchases[(purchases.day >= cut_off) & (purchases.day < run)].groupby("customer_id").amount
    actual = then.agg(["size", "sum"]).reindex(past.index).fillna(0)
    top = value.sort_values(ascending=False).index[: len(past) // 10]

    now = statistics(purchases, run)
    models = fit(now)
    now["expected_purchases"], now["expected_value"] = predict(models, now, horizon)
    now["p_active"] = models[0].conditional_probability_alive(now.x, now.t_x, now["T"])
    now["r_score"], now["f_score"], now["m_score"] = quintile(-now.recency), quintile(now.purchases), quintile(now.spend)
    now.to_parquet(out)
    figures = {
        "customers": len(now),
        "revenue": float(now.spend.sum()),
        "count_mae": float(np.abs(expected - actual["size"]).mean()),
        "top_decile": float(actual["sum"][top].sum() / actual["sum"].sum()),
        **{name: float(each) for model in models for name, each in model.params_.items()},
        "expected_purchases": float(now.expected_purchases.sum()),
        "expected_value": float(now.expected_value.sum()),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    _, orders, run_date, holdout_weeks, horizon, out = sys.argv
    main(orders, run_date, int(holdout_weeks), int(horizon), out)
