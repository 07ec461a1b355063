"""What a data scientist's notebook does with the same orders: pandas and the package lifetimes.

notebook.py ORDERS RUN_DATE HOLDOUT_WEEKS HORIZON_WEEKS OUT.parquet [--all]
ORDERS is Parquet or CSV with order_id, customer_id, ordered_at, amount. Prints the figures as one JSON object.
Fits BG/NBD. With --all also MBG/NBD and Pareto/NBD, compares them and two simple rankings on the hold-out with bootstrap
intervals, and the better one on the orders after the run date.
"""

import json
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter, ModifiedBetaGeoFitter, ParetoNBDFitter

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


FAMILIES = {"bgnbd": BetaGeoFitter, "mbgnbd": ModifiedBetaGeoFitter, "paretonbd": ParetoNBDFitter}
# Pareto/NBD takes minutes on more, here as in the pipeline.
MOST_CUSTOMERS = {"paretonbd": 20_000}


def fit_purchases(family: str, customers: pd.DataFrame) -> BetaGeoFitter:
    """The model of purchases by maximum likelihood."""
    step = -(-len(customers) // MOST_CUSTOMERS.get(family, len(customers)))
    some = customers.iloc[::step]
    return FAMILIES[family]().fit(some.x, some.t_x, some["T"])


def fit_values(customers: pd.DataFrame) -> GammaGammaFitter:
    """The model of values by maximum likelihood."""
    buyers = customers[customers.value_count > 0]
    return GammaGammaFitter().fit(buyers.value_count, buyers.mean_value)


def predict(models: tuple, customers: pd.DataFrame, weeks: int) -> tuple[np.ndarray, np.ndarray]:
    """Expected purchases and spending of each customer in the next weeks."""
    of_purchases, of_values = models
    purchases = of_purchases.conditional_expected_number_of_purchases_up_to_time(
        weeks, customers.x, customers.t_x, customers["T"]
    )
    value = of_values.conditional_expected_average_profit(customers.value_count, customers.mean_value)
    return np.asarray(purchases), np.asarray(purchases * value)


def actual(purchases: pd.DataFrame, customers: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Number and value of the purchases of each customer from `start` to before `end`."""
    then = purchases[(purchases.day >= start) & (purchases.day < end)].groupby("customer_id").amount
    return then.agg(["size", "sum"]).reindex(customers.index).fillna(0)


def top_decile(score: np.ndarray, revenue: np.ndarray) -> float:
    """Share of the revenue from the tenth of the customers with the highest scores."""
    return float(revenue[np.argsort(-score, kind="stable")[: len(score) // 10]].sum() / revenue.sum())


def intervals(scores: dict[str, np.ndarray], revenue: np.ndarray, replicates: int = 200) -> dict[str, list[float]]:
    """The 95 % interval of each score's share, by a Poisson bootstrap."""
    random = np.random.default_rng(1)
    orders = {name: np.argsort(-score, kind="stable") for name, score in scores.items()}
    shares: dict[str, list[float]] = {name: [] for name in scores}
    for _ in range(replicates):
        weights = random.poisson(1, len(revenue))
        total, all_revenue = weights.sum(), (weights * revenue).sum()
        for name, order in orders.items():
            taken = weights[order].cumsum() <= total / 10
            shares[name].append(float((weights * revenue)[order][taken].sum() / all_revenue))
    return {name: list(np.quantile(share, [0.025, 0.975])) for name, share in shares.items()}


def quintile(values: pd.Series) -> pd.Series:
    """Scores 1 to 5 by rank; equal values have equal scores."""
    return 1 + (5 * (values.rank(method="min") - 1) // len(values)).astype(int)


def scores(customers: pd.DataFrame) -> pd.DataFrame:
    """The three scores of RFM."""
    columns = {"r_score": -customers.recency, "f_score": customers.purchases, "m_score": customers.spend}
    return pd.DataFrame({name: quintile(values) for name, values in columns.items()})


def evaluate(value: np.ndarray, customers: pd.DataFrame, revenue: np.ndarray) -> dict[str, list[float]]:
    """The shares of the model, of the RFM score and of past spend, with their intervals."""
    rfm = scores(customers).sum(axis=1) + customers.spend.rank(pct=True)
    rankings = {"model": value, "rfm": rfm.to_numpy(), "past_spend": customers.spend.to_numpy()}
    ranges = intervals(rankings, revenue)
    return {name: [top_decile(score, revenue), *ranges[name]] for name, score in rankings.items()}


def main(orders: str, run_date: str, holdout_weeks: int, horizon: int, out: str, families: list[str]) -> None:
    purchases = read_purchases(Path(orders))
    run = pd.Timestamp(run_date)
    cut_off = run - holdout_weeks * WEEK

    past = statistics(purchases, cut_off)
    then = actual(purchases, past, cut_off, run)
    revenue = then["sum"].to_numpy()
    values = fit_values(past)
    count_mae, top = {}, {}
    for family in families:
        expected, value = predict((fit_purchases(family, past), values), past, holdout_weeks)
        count_mae[family] = float(np.abs(expected - then["size"]).mean())
        top[family] = top_decile(value, revenue)
        if len(families) > 1:
            evaluate(value, past, revenue)

    now = statistics(purchases, run)
    started = time.perf_counter()
    values = fit_values(now)
    fitted = {"bgnbd": fit_purchases("bgnbd", now)}
    fit_seconds = time.perf_counter() - started
    fitted |= {family: fit_purchases(family, now) for family in families if family != "bgnbd"}
    best = fitted[min(families, key=lambda family: count_mae[family])]
    now["expected_purchases"], now["expected_value"] = predict((best, values), now, horizon)
    now["p_active"] = best.conditional_probability_alive(now.x, now.t_x, now["T"])
    now = now.join(scores(now))
    now.to_parquet(out)
    if len(families) > 1:
        weeks = min(horizon, ((purchases.day.max() - run) / DAY + 1) // 7)
        _, value = predict((best, values), now, weeks)
        evaluate(value, now, actual(purchases, now, run, run + weeks * WEEK)["sum"].to_numpy())
    figures = {
        "customers": len(now),
        "revenue": float(now.spend.sum()),
        **{f"{family}_count_mae": mae for family, mae in count_mae.items()},
        "top_decile": top["bgnbd"],
        **{name: float(each) for model in (fitted["bgnbd"], values) for name, each in model.params_.items()},
        "expected_purchases": float(now.expected_purchases.sum()),
        "expected_value": float(now.expected_value.sum()),
        "fit_seconds": fit_seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    _, orders, run_date, holdout_weeks, horizon, out, *flags = sys.argv
    families = list(FAMILIES) if flags == ["--all"] else ["bgnbd"]
    main(orders, run_date, int(holdout_weeks), int(horizon), out, families)
