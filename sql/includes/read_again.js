// Whether a run reads the orders of a day again: the day is in the look-back or later, or it is not a real one, so that
// nobody knows when the order came.
module.exports = (day) => `(${day} >= @read_since OR ${day} < @first_day OR ${day} IS NULL)`;
