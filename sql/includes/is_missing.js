// Whether an id is missing: null, blank, or a word that databases and tools write for null.
module.exports = (id) =>
  `COALESCE(LOWER(${id}) IN ('', 'null', '(null)', r'\\n', 'nan', 'none', 'n/a', '#n/a', '<na>', 'undefined'), TRUE)`;
