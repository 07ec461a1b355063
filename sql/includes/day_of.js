// The day of a time in the shop's time zone. Before 1971 and after the year 7400 it is that of UTC: 0001-01-01, which is
// what .NET writes for no date, would be in the year 0 west of UTC, which is an error. Not DATE(time, zone), which is
// another function in DuckDB. TIMESTAMP_MICROS(UNIX_MICROS(time)) is the time itself: without it DuckDB asks its calendar
// for each day, which takes ten times as long.
module.exports = (time) =>
  `IF(@shop_time_zone != 'UTC' AND ${time} >= TIMESTAMP_SUB(TIMESTAMP(@first_day), INTERVAL 1 DAY) AND ${time} < TIMESTAMP_ADD(TIMESTAMP(@first_day), INTERVAL 2000000 DAY), DATE(DATETIME(${time}, @shop_time_zone)), DATE(TIMESTAMP_MICROS(UNIX_MICROS(${time}))))`;
