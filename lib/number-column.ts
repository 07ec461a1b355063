/** A column of numbers that grows. */
export class NumberColumn<Name extends string> {
  readonly name: Name;
  #values = new Float64Array(1024);
  #length = 0;

  constructor(name: Name) {
    this.name = name;
  }

  /** Null becomes NaN. @throws TypeError when the value is neither a number nor null. */
  add(value: unknown): void {
    if (value !== null && typeof value !== "number")
      throw new TypeError(`Column ${this.name} must have numbers; it has ${JSON.stringify(value)}.`);
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length++] = value ?? Number.NaN;
  }

  /** The values so far, without a copy. */
  values(): Float64Array {
    return this.#values.subarray(0, this.#length);
  }
}

/** The values of columns, by name. */
export const valuesOf = <Name extends string>(columns: readonly NumberColumn<Name>[]) =>
  Object.fromEntries(columns.map((column) => [column.name, column.values()])) as Record<Name, Float64Array>;
