type Maybe = number | null | undefined;

const MISSING = "–";
const writer = (options: Intl.NumberFormatOptions) => {
  const format = new Intl.NumberFormat("en-US", options);
  return (value: Maybe): string =>
    typeof value === "number" ? format.format(value).replace(/^-/, "−") : MISSING;
};
const digits = (count: number) => writer({ minimumFractionDigits: count, maximumFractionDigits: count });

/** 12345.6 as 12,346. Like every format here it writes a missing value as a dash. */
export const whole = digits(0);
export const oneDecimal = digits(1);
export const twoDecimals = digits(2);
export const threeDecimals = digits(3);
export const fourSignificant = writer({ maximumSignificantDigits: 4 });
/** A share (0 to 1) as 12.3 %. */
export const percent = (share: Maybe): string =>
  share == null ? MISSING : `${oneDecimal(100 * share)}\u00a0%`;
const signed = writer({ minimumFractionDigits: 1, maximumFractionDigits: 1, signDisplay: "exceptZero" });
/** A difference of shares in percentage points, with its sign: +1.2. */
export const points = (difference: Maybe): string => signed(difference == null ? null : 100 * difference);
/** Milliseconds as 1.2 s. */
export const elapsed = (milliseconds: number): string => `${oneDecimal(milliseconds / 1000)} s`;

export const sum = (values: readonly Maybe[]): number =>
  values.reduce<number>((total, value) => total + (value ?? 0), 0);
