import assert from "node:assert/strict";
import { checkRequest } from "./check.ts";

const jobs =
  "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/pipelineJobs";
const insert = (configuration: object) => ({
  method: "POST",
  url: "https://bigquery.googleapis.com/bigquery/v2/projects/p/jobs?prettyPrint=false",
  body: { jobReference: { projectId: "p", jobId: "j", location: "EU" }, configuration },
});
const query = { query: "SELECT 1", useLegacySql: false, maximumBytesBilled: "1000" };

describe("a request by Google's description", () => {
  const rightOnes: Record<string, [string, Parameters<typeof checkRequest>[0]]> = {
    "creates a pipeline job": [
      "aiplatform.projects.locations.pipelineJobs.create",
      {
        method: "POST",
        url: `${jobs}?pipelineJobId=clv-1`,
        body: {
          displayName: "clv-1",
          labels: { run_id: "clv-1" },
          pipelineSpec: { anything: [1] },
          runtimeConfig: { gcsOutputDirectory: "gs://b/r", parameterValues: { run_id: "clv-1", weeks: 39 } },
        },
      },
    ],
    "cancels one": [
      "aiplatform.projects.locations.pipelineJobs.cancel",
      { method: "POST", url: `${jobs}/clv-1:cancel`, body: {} },
    ],
    "runs a query": ["bigquery.jobs.insert", insert({ query, labels: { run_id: "clv-1" }, dryRun: true })],
    "uploads an object": [
      "storage.objects.insert",
      {
        method: "POST",
        url: "https://storage.googleapis.com/upload/storage/v1/b/b/o?uploadType=multipart&name=a%2Fb",
      },
    ],
    "reads a key": [
      "cloudkms.projects.locations.keyRings.cryptoKeys.get",
      {
        method: "GET",
        url: "https://cloudkms.googleapis.com/v1/projects/p/locations/l/keyRings/r/cryptoKeys/k",
      },
    ],
  };
  for (const [title, [method, request]] of Object.entries(rightOnes))
    it(`is accepted when it ${title}`, () => {
      assert.deepEqual(checkRequest(request), { method, problems: [] });
    });

  const wrongOnes: Record<string, [RegExp, Parameters<typeof checkRequest>[0]]> = {
    "a misspelt field": [
      /body\.configuration\.query has no field useLegacySQL/,
      insert({ query: { useLegacySQL: false } }),
    ],
    "a misspelt parameter": [
      /no parameter pipelineJobID/,
      { method: "POST", url: `${jobs}?pipelineJobID=a` },
    ],
    "a number for a text": [/query\.query must be a text/, insert({ query: { query: 1 } })],
    "a text for a boolean": [
      /useLegacySql must be true or false/,
      insert({ query: { useLegacySql: "false" } }),
    ],
    "a value that is not in the enumeration": [
      /runtimeConfig.failurePolicy is "FAST", not one of/,
      { method: "POST", url: jobs, body: { runtimeConfig: { failurePolicy: "FAST" } } },
    ],
    "an int64 that is not a number": [
      /maximumBytesBilled is "1 GB"/,
      insert({ query: { maximumBytesBilled: "1 GB" } }),
    ],
    "a list for an object": [/labels must be an object/, insert({ labels: [] })],
    "a path of no method": [/no method of .* is PUT/, { method: "PUT", url: jobs }],
    "an API that is not described": [
      /maps\.googleapis\.com is not described/,
      { method: "GET", url: "https://maps.googleapis.com/" },
    ],
    "a missing required parameter": [
      /parameter project is required/,
      { method: "POST", url: "https://storage.googleapis.com/storage/v1/b", body: { name: "b" } },
    ],
    "a body where there is none": [/takes no body/, { method: "GET", url: `${jobs}/clv-1`, body: { a: 1 } }],
  };
  for (const [title, [problem, request]] of Object.entries(wrongOnes))
    it(`is refused for ${title}`, () => {
      assert.match(checkRequest(request).problems.join("\n"), problem);
    });
});
