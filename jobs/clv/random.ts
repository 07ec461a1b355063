/** Uniform numbers in [0, 1) from a seed, the same on every machine: mulberry32, by Tommy Ettinger. */
export function seededRandom(seed: number): () => number {
  // An integer of 32 bits: V8 keeps a larger number as an object.
  let state = seed | 0;
  return () => {
    state = (state + STEP) | 0;
    return (bits(state) >>> 0) / 2 ** 32;
  };
}

/** Fills arrays with random ones of 65,536 values: each random number gives two places among them. */
export function seededChoice(values: Uint8Array, seed: number): (chosen: Uint8Array) => void {
  let last = seed | 0;
  return (chosen) => {
    let state = last; // The loop is several times faster with a local variable.
    for (let i = 0; i < chosen.length; i += 2) {
      state = (state + STEP) | 0;
      const places = bits(state);
      chosen[i] = values[places >>> 16]!;
      chosen[i + 1] = values[places & 0xffff]!; // Does nothing after the end of the array.
    }
    last = state;
  };
}

const STEP = 0x6d2b79f5;

function bits(state: number): number {
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return mixed ^ (mixed >>> 14);
}
