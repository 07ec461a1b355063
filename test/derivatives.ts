import assert from "node:assert/strict";
import type { Likelihood } from "../jobs/clv/maximum-likelihood.ts";

/** Fails unless gradient and Hessian are what central differences of the value and of the gradient show. */
export function checkDerivatives<P extends Record<string, number>>(
  likelihood: (parameters: P) => Likelihood,
  parameters: P,
): void {
  const { value, gradient, hessian } = likelihood(parameters);
  for (const [i, name] of Object.keys(parameters).entries()) {
    const at = (shift: number) => likelihood({ ...parameters, [name]: parameters[name]! * (1 + shift) });
    const [below, above] = [at(-1e-5), at(1e-5)];
    const width = 2e-5 * parameters[name]!;
    const close = (shown: number, found: number, size: number, what: string): void => {
      const scale = (1 + Math.abs(size)) / Math.min(1, parameters[name]!);
      assert.ok(Math.abs(shown - found) < 1e-5 * scale, `${what}: ${found}, differences show ${shown}`);
    };
    close((above.value - below.value) / width, gradient[i]!, value, `gradient by ${name}`);
    for (const j of gradient.keys()) {
      const shown = (above.gradient[j]! - below.gradient[j]!) / width;
      const size = Math.max(Math.abs(above.gradient[j]!), Math.abs(below.gradient[j]!), Math.abs(value));
      close(shown, i < j ? hessian[j]![i]! : hessian[i]![j]!, size, `Hessian by ${name} and parameter ${j}`);
    }
  }
}
