// Pulumi starts a policy pack under ts-node and ignores PulumiPolicy.yaml (pulumi issue 4830), and ts-node refuses
// imports of ./x.ts. It does not see an import from JavaScript, so Node's own TypeScript support reads the pack.
import "./index.ts";
