import { PolicyPack } from "@pulumi/policy";
import { Config, getProject, getStack } from "@pulumi/pulumi";
import { policies } from "./policies.ts";

// The settings of the project that is deployed, whatever a fork calls it.
const environment = new Config(getProject()).get("environment") || getStack();

new PolicyPack("customer-value", {
  policies: policies(environment === "prod" ? "prod" : "dev"),
  enforcementLevel: "mandatory",
});
