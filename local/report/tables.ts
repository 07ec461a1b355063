import { type Html, html } from "./html.ts";
import { fourSignificant, oneDecimal, percent, sum, twoDecimals, whole } from "./numbers.ts";
import type { Model, Results } from "./results.ts";

/** A table that scrolls in its own box where the page is narrow; the columns named in `words` are aligned as text. */
export function table(
  name: string,
  head: readonly string[],
  rows: readonly (readonly (Html | string)[])[],
  words: readonly string[] = [],
): Html {
  const align = head.map((title, column) => (column === 0 || words.includes(title) ? "words" : "number"));
  return html`<div class="table" role="region" aria-label="${name}" tabindex="0"><table>
    <thead><tr>${head.map((title, column) => html`<th scope="col" class="${align[column]}">${title}</th>`)}</tr></thead>
    <tbody>${rows.map(
      ([first, ...others]) =>
        html`<tr><th scope="row" class="words">${first}</th>${others.map((content, i) => html`<td class="${align[i + 1]}">${content}</td>`)}</tr>`,
    )}</tbody>
  </table></div>`;
}

const withBar = (share: number | null): Html =>
  html`<span class="share" style="--share:${(100 * (share ?? 0)).toFixed(1)}%">${percent(share)}</span>`;

export function segmentTable({ segments, scoring, calendar }: Results): Html {
  const expected = [`Expected, next ${calendar.horizon_weeks} weeks`, "Expected per customer"];
  return table(
    "Segments",
    ["Segment", "Customers", "of all", "Revenue so far", "of all", ...(scoring ? expected : [])],
    segments.map((row) => {
      const each = row.expected_value === null ? null : row.expected_value / row.customers;
      return [
        html`${row.segment}<small>${row.advice}</small>`,
        whole(row.customers),
        withBar(row.customer_share),
        whole(row.monetary_value),
        withBar(row.revenue_share),
        ...(scoring ? [whole(row.expected_value), twoDecimals(each)] : []),
      ];
    }),
  );
}

export function topCustomers({ topCustomers, scoring, calendar }: Results): Html | null {
  if (topCustomers.length === 0) return null;
  const by = scoring ? `expected value over the next ${calendar.horizon_weeks} weeks` : "revenue so far";
  const expected = ["Probably active", "Expected purchases", "Expected value"];
  return html`<h2>Top customers by ${by}</h2>${table(
    "Top customers",
    [
      "Customer",
      "Segment",
      "Days since purchase",
      "Purchases",
      "Revenue so far",
      ...(scoring ? expected : []),
    ],
    topCustomers.map((row) => [
      row.customer_id,
      row.segment,
      whole(row.recency_days),
      whole(row.frequency),
      whole(row.monetary_value),
      ...(scoring
        ? [percent(row.p_active), oneDecimal(row.expected_purchases), whole(row.expected_value)]
        : []),
    ]),
    ["Segment"],
  )}`;
}

const PARAMETERS = {
  r: "BG/NBD: shape of the purchase rate among customers",
  alpha: "BG/NBD: scale of the purchase rate, weeks",
  a: "BG/NBD: first shape of the drop-out probability",
  b: "BG/NBD: second shape of the drop-out probability",
  p: "Gamma-Gamma: shape of the value of a purchase",
  q: "Gamma-Gamma: shape of its rate among customers",
  gamma: "Gamma-Gamma: scale of its rate among customers",
};

/** The parameters of the model that scored, with what they mean for the average customer. */
export function modelParameters({ calendar, fitted }: Results, model: Model): Html {
  const value = (name: string) => model[name] as number | null;
  const [r, alpha, a, b] = [value("r"), value("alpha"), value("a"), value("b")];
  // Means of the gamma distribution of rates and of the beta distribution of drop-out (Fader, Hardie & Lee 2005, section 3)
  const inWords =
    r && alpha && a && b
      ? `In words: an active customer makes ${twoDecimals((r / alpha) * (365.25 / 7))} repeat purchases a year on average, and after each one ${percent(a / (a + b))} of customers leave for good, on average.`
      : "";
  return html`<h2>The model, for analysts</h2>
    <p>BG/NBD for purchases and Gamma-Gamma for their value, fitted by maximum likelihood on ${whole(model.customers)} customers before ${model.run_date}. ${inWords}</p>
    <p>${model.run_date !== calendar.run_date && `The scores are those of an earlier model, ${model.model_id}. `}${fitted.find(({ sample }) => sample === "production")?.reason}</p>
    ${table(
      "Model parameters",
      ["Parameter", "Meaning", "Estimate", "Standard error"],
      Object.entries(PARAMETERS).map(([name, meaning]) => [
        name,
        meaning,
        fourSignificant(value(name)),
        fourSignificant(value(`${name}_se`)),
      ]),
      ["Meaning"],
    )}
    <p class="quiet">Log-likelihood: BG/NBD ${oneDecimal(value("bg_nbd_log_likelihood"))}, Gamma-Gamma ${oneDecimal(value("gamma_gamma_log_likelihood"))}.</p>`;
}

export function rejectedOrders({ rejected, calendar }: Results): Html | null {
  if (rejected.length === 0) return null;
  const all = sum(rejected.map(({ orders }) => orders));
  return html`<h2>Orders set aside</h2>
    <p>${whole(all)} orders (${percent(all / (calendar.orders + all))} of those before the run date) could not be used.</p>
    ${table(
      "Orders set aside",
      ["Reason", "Orders", "of all set aside"],
      rejected.map((row) => [row.rejection_reason, whole(row.orders), percent(row.orders / all)]),
    )}`;
}
