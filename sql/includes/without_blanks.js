// A text without blanks around it: those of Unicode, tabs, and characters of no width.
const BLANKS = " \t\u00a0\u00ad\u2007\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u202f\u2060\u3000\ufeff";
// Most ids begin and end with a visible ASCII character. They need no trim, which takes far longer than this look.
const isVisible = (character) => `${character} BETWEEN '!' AND '~'`;
module.exports = (text) =>
  `IF(${isVisible(`SUBSTR(${text}, 1, 1)`)} AND ${isVisible(`SUBSTR(${text}, -1)`)}, ${text}, TRIM(${text}, '${BLANKS}'))`;
module.exports.BLANKS = BLANKS;
