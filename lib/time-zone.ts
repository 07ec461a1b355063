/** The usual names: a formatter takes as long to make as the rest of a request. Intl also knows older names. */
const USUAL = new Set(["UTC", ...Intl.supportedValuesOf("timeZone")]);

/** Whether a name is a time zone of the IANA database, like Europe/Paris. */
export function isTimeZone(name: string): boolean {
  if (USUAL.has(name)) return true;
  try {
    // Intl also takes offsets, like +02:00, which DuckDB does not.
    return (
      /^[A-Z]/.test(name) && new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions() !== null
    );
  } catch {
    return false;
  }
}
