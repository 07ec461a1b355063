// The shop's order log, from the settings: for declare() and ref().
const { orders_project, orders_dataset, orders_table } = dataform.projectConfig.vars;
module.exports = { database: orders_project, schema: orders_dataset, name: orders_table };
