/** Values of the 16 bits of a number that one pass of the sort reads. */
const VALUES = 2 ** 16;

/** The indices of the numbers in rising order, those of equal ones as they come. No number can be NaN. O(n). */
export function sortedBy(column: Float64Array): Uint32Array {
  const { length } = column;
  let from = { ...keysOf(column), rows: new Uint32Array(length).map((_, i) => i) };
  let to = { low: new Uint32Array(length), high: new Uint32Array(length), rows: new Uint32Array(length) };
  for (const [half, bit] of [
    ["low", 0],
    ["low", 16],
    ["high", 0],
    ["high", 16],
  ] as const) {
    const keys = from[half];
    const starts = new Uint32Array(VALUES + 1);
    for (let i = 0; i < length; i++) starts[((keys[i]! >>> bit) & 0xffff) + 1]! += 1;
    if (starts.includes(length)) continue; // All rows have the same 16 bits.
    for (let value = 0; value < VALUES; value++) starts[value + 1]! += starts[value]!;
    for (let i = 0; i < length; i++) {
      const digit = (keys[i]! >>> bit) & 0xffff;
      const place = starts[digit]!;
      starts[digit] = place + 1;
      to.low[place] = from.low[i]!;
      to.high[place] = from.high[i]!;
      to.rows[place] = from.rows[i]!;
    }
    [from, to] = [to, from];
  }
  return from.rows;
}

/** The numbers as whole numbers of 64 bits in two halves, which sort as the numbers do. */
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
