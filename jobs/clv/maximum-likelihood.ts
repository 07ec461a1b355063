/** The data cannot be fitted; the message says why, for people. */
export class CannotFit extends Error {
  override name = "CannotFit";
}

/** The result of a maximum-likelihood fit of the parameters `P`. */
export type Fit<P> = {
  parameters: P;
  /** By the delta method, from those of the logarithms; NaN unless the fit converged. */
  standardErrors: P;
  logLikelihood: number;
  /** The log-likelihood is concave, no step increases it, and no parameter is at its bound. */
  converged: boolean;
  iterations: number;
  /** The largest derivative of the mean log-likelihood of a customer by the logarithm of a parameter. */
  gradientNorm: number;
};

/** A log-likelihood and its derivatives by the parameters, in their order. */
export type Likelihood = {
  value: number;
  gradient: readonly number[];
  /** Symmetric: row i has the columns 0 to i. */
  hessian: readonly (readonly number[])[];
};

/** A parameter this many times larger or smaller than its start has no maximum that makes sense. */
const BOUND = 1e6;
const LARGEST_STEP = 2;
/** The maximum is reached when a step, in logarithms of parameters, is shorter. */
const TOLERANCE = 1e-6;
/** Rounding can make a log-likelihood that increases look smaller by this part. */
const ROUNDING = 1e-13;

/**
 * Maximizes a log-likelihood of positive parameters over their logarithms by Newton's method, damped after Levenberg
 * and Marquardt. `start` gives the names of the parameters and the scale of each.
 */
export function maximizeLikelihood<P extends Record<string, number>>(
  likelihood: (parameters: P) => Likelihood,
  start: P,
  customers: number,
  maxIterations = 100,
): Fit<P> {
  const names: readonly string[] = Object.keys(start);
  const named = (values: readonly number[]) =>
    Object.fromEntries(names.map((name, i) => [name, values[i]])) as P;
  const evaluate = (logs: readonly number[]) => {
    const parameters = logs.map(Math.exp);
    const likelihoodHere = likelihood(named(parameters));
    const gradient = parameters.map((parameter, i) => parameter * likelihoodHere.gradient[i]!);
    // The negative Hessian by the logarithms, by the chain rule.
    const information = parameters.map((one, i) =>
      parameters.map((other, j) => {
        const second = likelihoodHere.hessian[Math.max(i, j)]![Math.min(i, j)]!;
        return -(one * other * second) - (i === j ? gradient[i]! : 0);
      }),
    );
    return { logs, value: likelihoodHere.value, gradient, information };
  };
  const origin = names.map((name) => Math.log(start[name]!));
  const within = (log: number, i: number): boolean => Math.abs(log - origin[i]!) < Math.log(BOUND);

  let point = evaluate(origin);
  let damping = 0;
  let iterations = 0;
  let converged = false;
  while (iterations < maxIterations && !converged && point.logs.every(within)) {
    iterations++;
    const damped = point.information.map((row, i) =>
      row.map((entry, j) =>
        i === j ? entry + damping * Math.max(Math.abs(entry), 1e-8 * customers) : entry,
      ),
    );
    const step = solve(damped, point.gradient);
    const length = step === undefined ? Number.POSITIVE_INFINITY : Math.max(...step.map(Math.abs));
    const next =
      step && evaluate(point.logs.map((log, i) => log + step[i]! * Math.min(1, LARGEST_STEP / length)));
    converged = damping === 0 && length < TOLERANCE;
    if (next !== undefined && (converged || next.value > point.value - ROUNDING * Math.abs(point.value))) {
      point = next;
      damping = damping < 1e-3 ? 0 : damping / 10;
    } else {
      damping = Math.max(1e-3, damping * 10);
      if (damping > 1e12) break;
    }
  }

  const errors = names.map((_, i) => {
    const unit = names.map((_, j) => (i === j ? 1 : 0));
    const variance = converged ? solve(point.information, unit)?.[i] : undefined;
    return Math.sqrt(variance ?? Number.NaN) * Math.exp(point.logs[i]!);
  });
  return {
    parameters: named(point.logs.map(Math.exp)),
    standardErrors: named(errors),
    logLikelihood: point.value,
    converged,
    iterations,
    gradientNorm: Math.max(...point.gradient.map(Math.abs)) / customers,
  };
}

/** Solves A s = g for a symmetric A by Cholesky's L D L'; undefined unless A is positive definite. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] | undefined {
  const size = right.length;
  const rows = matrix.map((row, i) => [...row, right[i]!]);
  for (let i = 0; i < size; i++) {
    const pivot = rows[i]![i]!;
    if (!(pivot > 1e-12 * Math.abs(matrix[i]![i]!))) return undefined;
    for (let k = i + 1; k < size; k++) {
      const factor = rows[k]![i]! / pivot;
      for (let j = i; j <= size; j++) rows[k]![j]! -= factor * rows[i]![j]!;
    }
  }
  const solution: number[] = [];
  for (let i = size - 1; i >= 0; i--) {
    let rest = rows[i]![size]!;
    for (let j = i + 1; j < size; j++) rest -= rows[i]![j]! * solution[j]!;
    solution[i] = rest / rows[i]![i]!;
  }
  return solution;
}
