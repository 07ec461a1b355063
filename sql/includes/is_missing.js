const words = [
  "",
  "null",
  "(null)",
  "nan",
  "none",
  "n/a",
  "<na>",
  "undefined",
  "00000000-0000-0000-0000-000000000000",
];
// Errors of spreadsheets, in several languages
const errors = ["#n/a", "#n/d", "#nv", "#nb", "#ref!", "#value!", "#name?", "#wert!", "#bezug!"];

// Whether an id is missing: null, blank, or a word that databases and tools write for null.
module.exports = (id) =>
  `COALESCE(LOWER(${id}) IN (r'\\n', ${[...words, ...errors].map((word) => `'${word}'`).join(", ")}), TRUE)`;
