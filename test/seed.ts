import fc from "fast-check";

/**
 * Property tests get the same values in each run, so that a test fails because of a change and not by chance.
 * SEED=7 npm test tries other values.
 */
fc.configureGlobal({ seed: Number(process.env.SEED ?? 1) });
