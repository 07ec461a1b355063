import { policy } from "./rule.ts";
import { at, texts } from "./value.ts";

/** An image in Artifact or Container Registry, wherever it is written: registry, project, repository, image. */
const registryImage =
  /(?<![\w-])(?:[\w-]+-docker\.pkg\.dev(?:\/[\w.-]+){3,}|(?:\w+\.)?gcr\.io(?:\/[\w.-]+){2,})[\w:@.-]*/g;
const imageKey = /^(container)?image(ur[il])?$/i;

/** An image that is referenced by tag although the policy forbids it, and why. */
export interface ImageException {
  readonly image: RegExp;
  readonly reason: string;
}

export const imageExceptions: readonly ImageException[] = [
  {
    image: /^gcr\.io\/ml-pipeline\/google-cloud-pipeline-components:\d+\.\d+\.\d+$/,
    reason:
      "Vertex AI starts custom jobs without a container where it knows this image, which Google refers to by tag",
  },
];

/** The image that runs is the one that was reviewed: a tag can be moved, a digest can't. */
export function imagesByDigest(exceptions = imageExceptions) {
  return policy({
    name: "images-by-digest",
    description: "Container images are referenced by digest: they end in @sha256: and 64 hexadecimal digits.",
    remedy: "Refer to what was pushed, e.g. the repoDigest of a docker.Image.",
    types: ["gcp:"],
    *violations({ properties }) {
      for (const { path, key, text } of texts(properties))
        for (const image of imageKey.test(key) ? [text] : (text.match(registryImage) ?? []))
          if (!/@sha256:[0-9a-f]{64}$/.test(image) && !exceptions.some((it) => it.image.test(image)))
            yield `${path} "${image}"`;
    },
  });
}

/** `latest` changes over time. A tag or a version must say which image it is. */
export function noLatestTags() {
  return policy({
    name: "no-latest-tags",
    description: "Images and versions are named, never latest.",
    remedy: "Tag the image with the commit, or pin the version.",
    types: ["gcp:", "docker:", "docker-build:"],
    *violations({ type, properties }) {
      const built = type === "docker:index/image:Image" ? at(properties, "imageName") : undefined;
      if (typeof built === "string" && !/[:@][^/]+$/.test(built))
        yield `imageName "${built}", which means latest`;
      for (const { path, key, text } of texts(properties))
        if (/image|tag/i.test(key) && /[:-]latest(@|$)/i.test(text)) yield `${path} "${text}"`;
    },
  });
}
