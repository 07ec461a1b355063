/** Nodes in (0, 1) and their weights, which sum to 1. */
export type Quadrature = { readonly nodes: Float64Array; readonly weights: Float64Array };

/**
 * The Gauss-Legendre rule with n nodes, exact for polynomials of degree 2 n - 1: Newton's method on the Legendre polynomial
 * (Press et al., "Numerical Recipes", 3rd edition, section 4.6.1).
 */
export function gaussLegendre(n: number): Quadrature {
  const nodes = new Float64Array(n);
  const weights = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let z = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    let slope = 1;
    for (let iteration = 0; iteration < 10; iteration++) {
      let [value, before] = [1, 0];
      for (let k = 1; k <= n; k++)
        [value, before] = [((2 * k - 1) * z * value - (k - 1) * before) / k, value];
      slope = (n * (z * value - before)) / (z * z - 1);
      z -= value / slope;
    }
    nodes[i] = (1 - z) / 2;
    weights[i] = 1 / ((1 - z * z) * slope * slope);
  }
  return { nodes, weights };
}
