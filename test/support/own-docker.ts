import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';
import { eventually } from './eventually.ts';

/** A Docker Engine of a test's own, which it may prune, stop and start again. Needs root and Debian's `docker.io`. */
export class OwnDocker {
  readonly host: string;
  readonly docker: Docker;
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'own-docker-'));
  private child: ChildProcess | null = null;
  private output = '';

  constructor() {
    const socket = path.join(this.folder, 'docker.sock');
    this.host = `unix://${socket}`;
    this.docker = new Docker({ socketPath: socket });
  }

  async start(): Promise<void> {
    const at = (name: string) => path.join(this.folder, name);
    const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid'), '-H', this.host];
    const child = spawn('dockerd', [...places, '--iptables=false', '--bridge=none'], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    const listen = (chunk: Buffer): void => {
      this.output = (this.output + chunk).slice(-4_000);
    };
    for (const stream of [child.stdout, child.stderr]) stream.on('data', listen);
    await eventually(
      async () => {
        if (child.exitCode !== null) throw new Error(`dockerd ended: ${this.output}`);
        await this.docker.ping();
      },
      { timeout_ms: 60_000 },
    );
  }

  /** Ends the Engine, not what lies in its folder. */
  async stop(): Promise<void> {
    const { child } = this;
    this.child = null;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
