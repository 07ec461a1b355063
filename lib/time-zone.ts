/** Whether a name is a time zone of the IANA database, like Europe/Paris. */
export function isTimeZone(name: string): boolean {
  try {
    // Intl also takes offsets, like +02:00, which DuckDB does not.
    return (
      /^[A-Z]/.test(name) && new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions() !== null
    );
  } catch {
    return false;
  }
}
