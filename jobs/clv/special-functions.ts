/** Most terms of the series. The quadrature takes some hundred evaluations for all arguments. */
const MAX_TERMS = 1000;

/**
 * The mean of (1 - (1 + p y)^-r) / p over p ~ Beta(a, b), that is r y 3F2(1, r+1, a; 2, a+b; -y).
 *
 * It is what the BG/NBD model needs of the Gauss hypergeometric function: with z = y / (1 + y) it equals
 * (a+b-1)/(a-1) [1 - (1-z)^r 2F1(r, b; a+b-1; z)], the form of Fader, Hardie & Lee (2005), equation (9). That form
 * is 0/0 at a = 1, has a pole at a+b = 1 and cancels for small y; this one adds positive terms only and holds for
 * all r, a, b > 0 and y >= 0, with bounded work. NaN where an argument is NaN or y < 0.
 */
export function hypergeometricMean(r: number, a: number, b: number, y: number): number {
  if (!(y >= 0)) return Number.NaN;
  // A bound on the far quantile of the negative binomial count that the series runs over.
  const terms = 36 + y * (r + 8.5 * Math.sqrt(r) + 36);
  return terms <= MAX_TERMS ? bySeries(r, a, b, y) : byQuadrature(r, a, b, y);
}

/**
 * E[W_N], N ~ negative binomial (r, z), where W_n is the mean number of the first n trials that happen when each is
 * followed by a stop with probability p ~ Beta(a, b): W_n = 1 + b/(a+b) + b(b+1)/((a+b)(a+b+1)) + ... (n terms).
 */
function bySeries(r: number, a: number, b: number, y: number): number {
  const z = y / (1 + y);
  let logScale = -r * Math.log1p(y);
  let term = 1; // P(N = n) / exp(logScale)
  let reach = 1; // P(trial n + 1 happens | it is asked for)
  let trials = 0; // W_n
  let sum = 0;
  let more = true;
  for (let n = 0; more; n++) {
    const ratio = (z * (r + n)) / (n + 1);
    term *= ratio;
    trials += reach;
    reach *= (b + n) / (a + b + n);
    const addend = term * trials;
    sum += addend;
    more = addend > 1e-17 * sum * (1 - ratio);
    if (sum > 1e250) {
      term *= 1e-250;
      sum *= 1e-250;
      logScale += 250 * Math.LN10;
    }
  }
  return sum * Math.exp(logScale);
}

/** The mean as a ratio of two integrals over v = logit(p), with and without the factor that is averaged. */
function byQuadrature(r: number, a: number, b: number, y: number): number {
  const logBeta = (logit: number): number => {
    const logP = logLogistic(logit);
    return a * logP + b * (logP - logit);
  };
  const logFactor = (logit: number): number => {
    const logP = logLogistic(logit);
    const py = y * Math.exp(logP);
    return py < 1e-200 ? Math.log(r * y) : Math.log(-Math.expm1(-r * Math.log1p(py))) - logP;
  };
  return Math.exp(logIntegral((logit) => logBeta(logit) + logFactor(logit)) - logIntegral(logBeta));
}

/** ln p, where p = 1 / (1 + exp(-logit)). */
const logLogistic = (logit: number): number => Math.min(logit, 0) - Math.log1p(Math.exp(-Math.abs(logit)));

/**
 * ln of the integral of exp(logF(v)) over the real line, plus a constant, for a logF with one maximum and tails at least
 * linear: the trapezoid rule after v = mode + width sinh(u), the double exponential rule of Takahasi & Mori (1974).
 */
function logIntegral(logF: (logit: number) => number): number {
  const h = 1e-3;
  let low = -650;
  let high = 650;
  while (high - low > 1e-4) {
    const middle = (low + high) / 2;
    if (logF(middle + h) > logF(middle - h)) low = middle;
    else high = middle;
  }
  const mode = (low + high) / 2;
  const top = logF(mode);
  const curvature = (2 * top - logF(mode + h) - logF(mode - h)) / h ** 2;
  const width = 1 / Math.sqrt(Math.max(curvature, 1));
  const step = 1 / 24;
  let sum = 1;
  for (const direction of [-step, step]) {
    for (let k = 1; k < 12 / step; k++) {
      const u = k * direction;
      const value = Math.exp(logF(mode + width * Math.sinh(u)) - top) * Math.cosh(u);
      sum += value;
      if (value < 1e-17 * sum) break;
    }
  }
  return top + Math.log(sum * width);
}
