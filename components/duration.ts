/** A length of time with its unit: "7 days", "10 seconds". */
export type Duration = `${number} ${(typeof UNITS)[number]}`;

export const UNITS = ["second", "seconds", "minute", "minutes", "hour", "hours", "day", "days"] as const;

const SECONDS: Readonly<Record<string, number>> = { second: 1, minute: 60, hour: 3600, day: 86400 };

export function toSeconds(duration: Duration): number {
  const [count, unit = ""] = duration.split(" ");
  return Number(count) * SECONDS[unit.replace(/s$/, "")]!;
}

/** As Google's APIs write a duration: "604800s". */
export const googleDuration = (duration: Duration): string => `${toSeconds(duration)}s`;
