import { join } from "node:path";
import { pythonEnvironment } from "../../local/runtime/python.ts";
import { startServer } from "./server.ts";

export interface VertexAiEmulator {
  readonly endpoint: string;
  /** The command of Google's launcher of custom jobs, without its arguments. */
  readonly launcher: readonly string[];
  /** Changes fields of a job. `name` is its full name, `fields` is JSON of PipelineJob. */
  change(name: string, fields: object): Promise<void>;
  close(): Promise<void>;
}

/** Starts vertex_ai.py: Vertex AI's REST interface to pipeline jobs and custom jobs, checked by Google's and Kubeflow's protobuf. */
export async function startVertexAi(): Promise<VertexAiEmulator> {
  const here = import.meta.dirname;
  const bin = await pythonEnvironment("vertex-ai", "3.11", join(here, "vertex-ai.lock"));
  const server = await startServer({
    command: (port) => [join(bin, "python"), join(here, "vertex_ai.py"), String(port)],
    isUp: async (port) => (await fetch(`http://127.0.0.1:${port}/`)).status === 404,
    // Google's packages take long to load on a busy machine.
    seconds: 180,
  });
  const endpoint = `http://127.0.0.1:${server.port}`;
  return {
    endpoint,
    launcher: [join(bin, "python"), join(here, "run_launcher.py"), endpoint],
    async change(name, fields) {
      const body = JSON.stringify({ name, change: fields });
      const { ok, status } = await fetch(`${endpoint}/states`, { method: "POST", body });
      if (!ok) throw new Error(`The job cannot be changed: ${status}.`);
    },
    close: () => server.close(),
  };
}
