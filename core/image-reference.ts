/** An image's name taken apart: `registry` is a host with its port, `docker.io` where none is named. */
export type ImageReference = { registry: string; repository: string; tag: string | null; digest: string | null };

const DEFAULT_REGISTRY = 'docker.io';

/** Reads a name as Docker does: the first part is a registry when it has a dot or a colon, or is `localhost`. */
export function parseImage(name: string): ImageReference {
  const [reference = '', digest = null] = name.split('@', 2) as [string, string?];
  const slash = reference.indexOf('/');
  const first = slash === -1 ? '' : reference.slice(0, slash);
  const named = /[.:]/.test(first) || first === 'localhost';
  const rest = named ? reference.slice(slash + 1) : reference;
  const colon = rest.lastIndexOf(':');
  const tagged = colon > rest.lastIndexOf('/');
  return {
    registry: named ? first : DEFAULT_REGISTRY,
    repository: tagged ? rest.slice(0, colon) : rest,
    tag: tagged ? rest.slice(colon + 1) : null,
    digest,
  };
}

/** The name with a tag: without one Docker would fetch all of them. */
export function withTag(name: string): string {
  const { tag, digest } = parseImage(name);
  return tag === null && digest === null ? `${name}:latest` : name;
}

/** Name without its tag, and the tag, as Docker's API takes them apart. */
export function repositoryAndTag(name: string): { repo: string; tag: string } {
  const { tag } = parseImage(name);
  return { repo: tag === null ? name : name.slice(0, -tag.length - 1), tag: tag ?? 'latest' };
}

/** The host of a registry without its port. */
export const registryHost = (registry: string): string => registry.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
