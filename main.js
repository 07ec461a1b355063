// What Pulumi starts. The sources are TypeScript, which Node reads from version 22.18 on; npm installs a newer one than
// that into node_modules/.bin.
import { connect } from "node:net";
import { RunError } from "@pulumi/pulumi";

if (!process.features.typescript)
  throw new RunError(
    `This project runs on Node 24; Pulumi started ${process.version}. Put the project's own Node first:\n` +
      '  PATH="$PWD/node_modules/.bin:$PATH" pulumi preview',
  );

// The Docker provider asks for a daemon before anything else, in a preview too.
const usual = process.platform === "win32" ? "npipe:////./pipe/docker_engine" : "unix:///var/run/docker.sock";
const [, socket] = /^(?:unix|npipe):\/\/(.+)/.exec(process.env.DOCKER_HOST ?? usual) ?? [];
if (socket !== undefined)
  await new Promise((answered, failed) => {
    const connection = connect(socket, () => answered(connection.end()));
    connection.on("error", () =>
      failed(
        new RunError(
          `Docker does not answer at ${socket}. It builds the images, and its provider needs it for a preview too.\n` +
            "  Start Docker (Linux: sudo systemctl start docker), or set DOCKER_HOST to another engine.",
        ),
      ),
    );
  });

export const {
  invokerUrl,
  artifactBucket,
  requestsTopic,
  mart,
  workloadIdentityProvider,
  deployment,
  commit,
} = await import("./index.ts");
