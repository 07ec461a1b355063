import { PolicyPack } from "@pulumi/policy";
import { Config, getProject, getStack } from "@pulumi/pulumi";
import { policies } from "./policies.ts";

// The settings of the project that is deployed: a fork has another name.
const environment = new Config(getProject()).get("environment") || getStack();

new PolicyPack("customer-value", {
  policies: policies(environment === "prod" ? "prod" : "dev"),
  enforcementLevel: "mandatory",
});
