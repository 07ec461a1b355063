/** Rows as columns of numbers; null becomes NaN, as in a warehouse. */
export const columnsOf = <Name extends string>(
  names: readonly Name[],
  rows: readonly Readonly<Record<Name, number | null>>[],
): Record<Name, Float64Array> =>
  Object.fromEntries(
    names.map((name) => [name, Float64Array.from(rows, (row) => row[name] ?? Number.NaN)]),
  ) as Record<Name, Float64Array>;

/** Columns as rows: the other way round. */
export const rowsOf = <Name extends string>(columns: Record<Name, Float64Array>): Record<Name, number>[] =>
  Array.from(Object.values<Float64Array>(columns)[0]!, (_, i) =>
    Object.fromEntries(Object.entries<Float64Array>(columns).map(([name, values]) => [name, values[i]!])),
  ) as Record<Name, number>[];
