// Argument of ref() for the shop's order log, from the settings.
module.exports = {
  database: dataform.projectConfig.vars.orders_project,
  schema: dataform.projectConfig.vars.orders_dataset,
  name: dataform.projectConfig.vars.orders_table,
};
