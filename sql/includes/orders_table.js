// The shop's order log, wherever the settings say it is: ref() it with this.
module.exports = {
  database: dataform.projectConfig.vars.orders_project,
  schema: dataform.projectConfig.vars.orders_dataset,
  name: dataform.projectConfig.vars.orders_table,
};
