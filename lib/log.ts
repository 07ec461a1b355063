import { type Logger, pino } from "pino";

export type { Logger };

const severities: Record<string, string> = {
  trace: "DEBUG",
  debug: "DEBUG",
  info: "INFO",
  warn: "WARNING",
  error: "ERROR",
  fatal: "CRITICAL",
};

/**
 * Structured log lines, as Cloud Logging reads them (severity, message, timestamp). Each line has the bindings: component,
 * run_id, step. LOG_LEVEL overrides the level.
 */
export function createLogger(
  bindings: Record<string, string>,
  level = "info",
  destination: NodeJS.WriteStream = process.stderr,
): Logger {
  return pino(
    {
      level: process.env.LOG_LEVEL ?? level,
      base: bindings,
      messageKey: "message",
      timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ severity: severities[label] ?? "DEFAULT" }) },
    },
    destination,
  );
}
