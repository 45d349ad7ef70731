import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from './eventually.ts';

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** Debian's `docker-registry` with a configuration and folder of its own on 127.0.0.1. `users`: an htpasswd file's content. */
export class Registry {
  port = 0;
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'registry-'));
  private child: ChildProcess | null = null;

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async start(users?: string): Promise<void> {
    this.port = await freePort();
    const file = path.join(this.folder, 'config.yml');
    const auth = users === undefined ? '' : `auth:\n  htpasswd:\n    realm: test\n    path: ${this.folder}/users\n`;
    if (users !== undefined) writeFileSync(path.join(this.folder, 'users'), users);
    const storage = `storage:\n  filesystem:\n    rootdirectory: ${this.folder}/data\n`;
    writeFileSync(file, `version: 0.1\nlog:\n  level: error\n${storage}http:\n  addr: 127.0.0.1:${this.port}\n${auth}`);
    this.child = spawn('docker-registry', ['serve', file], { stdio: 'ignore' });
    await eventually(async () => void (await fetch(`http://${this.address}/v2/`)), { timeout_ms: 30_000 });
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child && child.exitCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Stands before a registry and lets only so many bytes a second through, so that a pull has a middle. */
export class SlowDoor {
  port = 0;
  bytes_per_s: number;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();

  constructor(target: () => number, bytes_per_s: number) {
    this.bytes_per_s = bytes_per_s;
    this.server = createServer((client) => void this.join(client, target()));
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = (this.server.address() as { port: number }).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async join(client: Socket, port: number): Promise<void> {
    const { connect } = await import('node:net');
    const server = connect(port, '127.0.0.1');
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.pipe(server);
    server.on('data', (chunk: Buffer) => {
      client.write(chunk);
      if (chunk.length < 1_000) return;
      server.pause();
      setTimeout(() => server.resume(), (1000 * chunk.length) / this.bytes_per_s);
    });
    server.on('close', () => client.end());
    client.on('close', () => server.destroy());
  }
}
