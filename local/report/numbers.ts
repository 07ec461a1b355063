type Maybe = number | null | undefined;

const written = (digits: number) => {
  const format = new Intl.NumberFormat("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return (value: Maybe): string => (typeof value === "number" ? format.format(value) : "–");
};

/** 12345.6 as 12,346. */
export const whole = written(0);
export const oneDecimal = written(1);
export const twoDecimals = written(2);
export const threeDecimals = written(3);
/** Four significant digits. */
export const precise = (value: Maybe): string =>
  typeof value === "number"
    ? new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4 }).format(value)
    : "–";
/** A share (0 to 1) as 12.3 %. */
export const percent = (share: Maybe): string =>
  typeof share === "number" ? `${oneDecimal(100 * share)} %` : "–";
/** A difference of shares in percentage points, with its sign. */
export const points = (difference: Maybe): string =>
  typeof difference === "number"
    ? `${difference > 0 ? "+" : difference < 0 ? "−" : ""}${oneDecimal(Math.abs(100 * difference))}`
    : "–";
export const sum = (values: readonly Maybe[]): number =>
  values.reduce<number>((total, value) => total + (value ?? 0), 0);
