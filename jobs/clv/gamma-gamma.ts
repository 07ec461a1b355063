/**
 * The Gamma-Gamma model of the value of a purchase (Fader & Hardie 2013, "The Gamma-Gamma Model of Monetary Value",
 * brucehardie.com/notes/025): a purchase is worth Gamma(p, nu), and a customer's nu comes from Gamma(q, gamma), gamma
 * in the unit of value. All three are positive. The value does not depend on how often the customer buys.
 */
export type GammaGammaParameters = { p: number; q: number; gamma: number };

/**
 * E[M | x, meanValue]: the mean value of a purchase of a customer whose x repeat purchases of positive value had the
 * mean `meanValue` (ignored if x = 0: the population mean p gamma / (q - 1)).
 *
 * Infinite if p x + q <= 1: for customers without repeat purchases, if q <= 1.
 */
export function conditionalExpectedValue(
  { p, q, gamma }: GammaGammaParameters,
  x: number,
  meanValue: number,
): number {
  const degrees = p * x + q - 1;
  if (degrees <= 0) return Number.POSITIVE_INFINITY;
  return (p * (gamma + (x === 0 ? 0 : x * meanValue))) / degrees;
}
