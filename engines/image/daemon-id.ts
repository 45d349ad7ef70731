import type { DockerClient } from '../docker/client.ts';

/** By which a daemon is known in all rows: its own id; its machine's name where it has none (Podman). Rejects while it is away. */
export async function daemonId({ docker }: DockerClient): Promise<string> {
  const { ID, Name } = (await docker.info()) as { ID?: string; Name?: string };
  return ID || `host:${Name ?? 'unknown'}`;
}
