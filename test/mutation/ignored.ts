/** A node of Babel's syntax tree, as far as it is used here. */
interface Node {
  readonly type: string;
  readonly name?: string;
  readonly key?: Node;
  readonly callee?: Node;
  readonly property?: Node;
  readonly object?: Node;
}
interface Path {
  readonly node: Node;
  readonly parentPath: Path | null;
}

const method = (node: Node | undefined) => (node?.type === "CallExpression" ? node.callee : undefined);

/**
 * Why a part of the code is not mutated: prose that people read and no code does. Texts of errors, alerts and policies
 * are mutated, because tests hold them.
 */
export function shouldIgnore({ node, parentPath }: Path): string | undefined {
  if (!/^(StringLiteral|TemplateLiteral|BinaryExpression)$/.test(node.type)) return undefined;
  const callee = method(parentPath?.node);
  if (callee?.property?.name === "describe") return "The description of a field.";
  if (callee?.object?.name === "log") return "The text of a log line.";
  // .meta({ description: "…" })
  return parentPath?.node.key?.name === "description" &&
    method(parentPath.parentPath?.parentPath?.node)?.property?.name === "meta"
    ? "The description of a field."
    : undefined;
}

/** What Stryker loads. */
export const strykerPlugins = [{ kind: "Ignore", name: "prose", value: { shouldIgnore } }];
