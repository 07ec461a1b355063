// A call of a model function. The stack deploys the functions as routines in the dataset of the tables.
const routine = (name, values) => {
  const { defaultDatabase, defaultSchema } = dataform.projectConfig;
  return `\`${defaultDatabase}\`.\`${defaultSchema}\`.${name}(${values})`;
};
// The same of a function whose first arguments are the model of purchases: m, from scoring_model.
routine.of_model = (name, values) => routine(name, `m.r, m.alpha, m.a, m.b, m.drop_out, ${values}`);
module.exports = routine;
