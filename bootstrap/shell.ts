/** The command as a shell takes it. */
export function shell(command: readonly string[]): string {
  const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
  return command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : quoted(word))).join(" ");
}
