// A function of the model, as SQL calls it: the stack deploys them as routines beside the tables.
module.exports = (name) => {
  const { defaultDatabase, defaultSchema } = dataform.projectConfig;
  return `\`${defaultDatabase}\`.\`${defaultSchema}\`.${name}`;
};
