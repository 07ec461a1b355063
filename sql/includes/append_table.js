// A table that jobs write rows into. A column is "TYPE: description". The query gives the types: no run inserts its row.
module.exports = (name, { columns, ...config }) => {
  const parts = Object.entries(columns).map(([column, text]) => [column, ...text.split(/: (.*)/)]);
  publish(name, {
    type: "incremental",
    tags: ["features", "append"],
    ...config,
    columns: Object.fromEntries(parts.map(([column, , description]) => [column, description])),
  }).query(`SELECT\n  ${parts.map(([column, type]) => `CAST(NULL AS ${type}) AS ${column}`).join(",\n  ")}`);
};
