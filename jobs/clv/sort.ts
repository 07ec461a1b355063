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

/** Sorts the rows by a column, from the low byte of the numbers to the high. */
function radixSort(rows: Uint32Array, column: Float64Array): void {
  const { length } = rows;
  const values = new Float64Array(length).map((_, i) => column[rows[i]!]!);
  const keys = keysOf(values);
  const unsorted = rows.slice();
  let order = new Uint32Array(length).map((_, i) => i);
  let next = new Uint32Array(length);
  for (let byte = 0; byte < 8; byte++) {
    const starts = new Uint32Array(257);
    for (let i = byte; i < keys.length; i += 8) starts[keys[i]! + 1]!++;
    if (starts.includes(length)) continue; // All rows have the same byte.
    for (let value = 0; value < 256; value++) starts[value + 1]! += starts[value]!;
    for (let place = 0; place < length; place++) {
      const row = order[place]!;
      next[starts[keys[8 * row + byte]!]!++] = row;
    }
    [order, next] = [next, order];
  }
  for (let place = 0; place < length; place++) rows[place] = unsorted[order[place]!]!;
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

/** Eight bytes for each number, the lowest first. Compared from the highest, they sort as the numbers do. */
function keysOf(column: Float64Array): Uint8Array {
  // Adding 0 makes -0 equal to 0.
  const words = new Uint32Array(column.map((value) => value + 0).buffer);
  for (let i = 0; i < words.length; i += 2) {
    // The bits of negative numbers rise as the numbers fall.
    const flip = words[i + 1]! >>> 31 === 1 ? 0xffffffff : 0;
    words[i]! ^= flip;
    words[i + 1]! ^= flip | 0x80000000;
  }
  return new Uint8Array(words.buffer);
}
