// Name of a model function in SQL. The stack deploys the functions as routines in the dataset of the tables.
module.exports = (name) => {
  const { defaultDatabase, defaultSchema } = dataform.projectConfig;
  return `\`${defaultDatabase}\`.\`${defaultSchema}\`.${name}`;
};
