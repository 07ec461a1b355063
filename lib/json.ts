/** The parsed JSON, or the text itself if it is not JSON. */
export function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The same names with other values. */
export const mapValues = <V, W>(
  record: Readonly<Record<string, V>>,
  change: (value: V, name: string) => W,
): Record<string, W> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
