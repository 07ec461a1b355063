/** Bits of a number that one pass of the sort reads. */
const DIGIT = 11;
const VALUES = 2 ** DIGIT;

/** The indices of the numbers in rising order, those of equal ones as they come. No number can be NaN. O(n). */
export function sortedBy(column: Float64Array): Uint32Array {
  const { length } = column;
  const { low, high } = keysOf(column);
  let from = { low, high, rows: new Uint32Array(length).map((_, i) => i) };
  let to = { low: new Uint32Array(length), high: new Uint32Array(length), rows: new Uint32Array(length) };
  for (let bit = 0; bit < 64; bit += DIGIT) {
    const starts = new Uint32Array(VALUES + 1);
    for (let i = 0; i < length; i++) starts[digitAt(from.low[i]!, from.high[i]!, bit) + 1]!++;
    if (starts.includes(length)) continue; // All rows have the same digit.
    for (let value = 0; value < VALUES; value++) starts[value + 1]! += starts[value]!;
    for (let i = 0; i < length; i++) {
      const place = starts[digitAt(from.low[i]!, from.high[i]!, bit)]!++;
      to.low[place] = from.low[i]!;
      to.high[place] = from.high[i]!;
      to.rows[place] = from.rows[i]!;
    }
    [from, to] = [to, from];
  }
  return from.rows;
}

/** The digit from this bit on, of a number of 64 bits in two halves. */
function digitAt(low: number, high: number, bit: number): number {
  if (bit >= 32) return (high >>> (bit - 32)) & (VALUES - 1);
  const overlap = bit + DIGIT > 32 ? high << (32 - bit) : 0;
  return ((low >>> bit) | overlap) & (VALUES - 1);
}

/** The numbers as whole numbers of 64 bits, which sort as the numbers do. */
function keysOf(column: Float64Array) {
  // Adding 0 makes -0 equal to 0.
  const words = new Uint32Array(column.map((value) => value + 0).buffer);
  const low = new Uint32Array(column.length);
  const high = new Uint32Array(column.length);
  for (let i = 0; i < column.length; i++) {
    // The bits of negative numbers rise as the numbers fall.
    const flip = words[2 * i + 1]! >>> 31 === 1 ? 0xffffffff : 0;
    low[i] = words[2 * i]! ^ flip;
    high[i] = words[2 * i + 1]! ^ (flip | 0x80000000);
  }
  return { low, high };
}
