import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';
import { eventually } from './eventually.ts';

/** A Docker Engine of a test's own, which it may prune, stop and start again. Needs root and Debian's `docker.io`. */
export class OwnDocker {
  readonly host: string;
  readonly docker: Docker;
  /** Of its own: an engine with `--bridge=none` deletes the bridge of every other engine on the machine. */
  private readonly bridge = `own${process.pid % 10_000_000}`;
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'own-docker-'));
  private child: ChildProcess | null = null;
  private output = '';
  private has_bridge = false;

  constructor() {
    const socket = path.join(this.folder, 'docker.sock');
    this.host = `unix://${socket}`;
    this.docker = new Docker({ socketPath: socket });
  }

  async start(): Promise<void> {
    this.makeBridge();
    const at = (name: string) => path.join(this.folder, name);
    const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid'), '-H', this.host];
    const child = spawn('dockerd', [...places, '--iptables=false', '--ip-masq=false', `--bridge=${this.bridge}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
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

  private makeBridge(): void {
    if (this.has_bridge) return;
    const network = `10.${200 + (process.pid % 50)}.${process.pid % 250}.1/24`;
    for (const command of [
      `link add ${this.bridge} type bridge`,
      `address add ${network} dev ${this.bridge}`,
      `link set ${this.bridge} up`,
    ])
      execFileSync('ip', command.split(' '), { stdio: 'pipe' });
    this.has_bridge = true;
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
    if (this.has_bridge) execFileSync('ip', ['link', 'delete', this.bridge], { stdio: 'pipe' });
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
