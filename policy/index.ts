import { PolicyPack } from "@pulumi/policy";
import { Config, getStack } from "@pulumi/pulumi";
import { policies } from "./policies.ts";

const environment = new Config("customer-value").get("environment") || getStack();

new PolicyPack("customer-value", {
  policies: policies(environment === "prod" ? "prod" : "dev"),
  enforcementLevel: "mandatory",
});
