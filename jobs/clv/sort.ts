/**
 * The indices of the rows in rising order of the first column; the next columns decide between equal values. No value can
 * be NaN. O(n).
 */
export function sortedBy(columns: readonly Float64Array[]): Uint32Array {
  const order = new Uint32Array(columns[0]!.length).map((_, i) => i);
  sortRows(order, columns);
  return order;
}

/** Fewer rows are faster to sort by comparison than by their bytes. */
const FEW_ROWS = 256;

function sortRows(rows: Uint32Array, columns: readonly Float64Array[]): void {
  const [first, ...others] = columns;
  if (first === undefined || rows.length < 2) return;
  if (rows.length < FEW_ROWS) {
    rows.sort((one, other) => {
      const column = columns.find((column) => column[one] !== column[other]);
      return column === undefined ? 0 : column[one]! < column[other]! ? -1 : 1;
    });
    return;
  }
  radixSort(rows, first);
  for (let start = 0, end = 0; start < rows.length; start = end) {
    while (end < rows.length && first[rows[end]!] === first[rows[start]!]) end++;
    sortRows(rows.subarray(start, end), others);
  }
}

/** Bits of a number that one pass of the sort reads. */
const DIGIT = 11;
const VALUES = 2 ** DIGIT;

/** Sorts the rows by a column, from the low bits of the numbers to the high. */
function radixSort(rows: Uint32Array, column: Float64Array): void {
  const { length } = rows;
  const { low, high } = keysOf(rows, column);
  let from = { low, high, rows: rows.slice() };
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
  rows.set(from.rows);
}

/** The digit from this bit on, of a number of 64 bits in two halves. */
function digitAt(low: number, high: number, bit: number): number {
  if (bit >= 32) return (high >>> (bit - 32)) & (VALUES - 1);
  const overlap = bit + DIGIT > 32 ? high << (32 - bit) : 0;
  return ((low >>> bit) | overlap) & (VALUES - 1);
}

/** The columns with their rows in that order. */
export function inOrder<Columns extends Readonly<Record<string, Float64Array>>>(columns: Columns): Columns {
  const order = sortedBy(Object.values(columns));
  const sorted = Object.entries(columns).map(([name, values]) => [
    name,
    values.map((_, place) => values[order[place]!]!),
  ]);
  return Object.fromEntries(sorted) as Columns;
}

/** The numbers of the rows as whole numbers of 64 bits, which sort as the numbers do. */
function keysOf(rows: Uint32Array, column: Float64Array) {
  // Adding 0 makes -0 equal to 0.
  const words = new Uint32Array(new Float64Array(rows.length).map((_, i) => column[rows[i]!]! + 0).buffer);
  const low = new Uint32Array(rows.length);
  const high = new Uint32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    // The bits of negative numbers rise as the numbers fall.
    const flip = words[2 * i + 1]! >>> 31 === 1 ? 0xffffffff : 0;
    low[i] = words[2 * i]! ^ flip;
    high[i] = words[2 * i + 1]! ^ (flip | 0x80000000);
  }
  return { low, high };
}
