import { setTimeout as pause } from 'node:timers/promises';
import { type LogScope, openContainerLog, wantsReading } from '../commands/log-work.ts';
import type { Logger } from '../config/logger.ts';
import { withLock } from '../dispatcher/held-lock.ts';
import type { DockerClient } from '../engines/docker/client.ts';
import { type ContainerFacts, syncContainer, syncContainers } from '../engines/docker/sync-containers.ts';
import { daemonId } from '../engines/image/daemon-id.ts';
import { syncImages } from '../engines/image/sync-images.ts';
import type { Em } from '../entities/sql.ts';

type SyncOptions = {
  client: DockerClient;
  fork(): Em;
  database_url: string;
  scope: LogScope;
  compare_every_s: number;
  /** This worker now keeps the rows of this daemon, or (null) no more does. */
  on_serve(docker_id: string | null): Promise<void>;
  logger: Logger;
};

type DockerEvent = { Type?: string; Action?: string; Actor?: { ID?: string }; id?: string };

const FIRST_MS = 500;
const LONGEST_MS = 10_000;
const GATHER_MS = 150;

/**
 * Keeps the rows of images and containers as the daemon has them: a full comparison at the start and from time to time, events in between. Of several workers at one
 * daemon one does it. What happened while the daemon, the database or this worker was away is found by the comparison.
 */
export class DockerSync {
  private readonly options: SyncOptions;
  private readonly stopping = new AbortController();
  private running: Promise<void> | null = null;
  private images_due = false;
  private readonly due = new Set<string>();
  /** Looks that nobody waits for but `stop`. */
  private readonly looks = new Set<Promise<void>>();

  constructor(options: SyncOptions) {
    this.options = options;
  }

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
    await Promise.all(this.looks);
  }

  /** A look beside the events; one that fails ends them, and all begins anew. */
  private look(work: () => Promise<void>, ending: AbortController): void {
    const look = work().catch(() => ending.abort());
    this.looks.add(look);
    void look.finally(() => this.looks.delete(look));
  }

  private async run(): Promise<void> {
    const { client, database_url, logger } = this.options;
    let wait = FIRST_MS;
    while (!this.stopping.signal.aborted) {
      const began = performance.now();
      try {
        const docker_id = await daemonId(client);
        await withLock(database_url, `orchestrator.docker ${docker_id}`, () => this.serve(docker_id));
      } catch (cause) {
        logger.debug({ err: cause }, 'synchronisation with Docker was interrupted');
      }
      wait = performance.now() - began > LONGEST_MS ? FIRST_MS : Math.min(LONGEST_MS, wait * 2);
      await pause(wait, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }

  /** Until the events break off. They are asked for before the comparison, so that nothing falls between the two. */
  private async serve(docker_id: string): Promise<void> {
    const { client, compare_every_s, on_serve, logger } = this.options;
    const ending = new AbortController();
    const signal = AbortSignal.any([ending.signal, this.stopping.signal]);
    const filters = JSON.stringify({ type: ['container', 'image'] });
    const events = (await client.docker.getEvents({ filters, abortSignal: signal } as never)) as unknown as AsyncIterable<Buffer>;
    const compare = () => this.compare(docker_id);
    await compare();
    logger.info({ docker_id }, 'images and containers are synchronised');
    await on_serve(docker_id);
    const timer = setInterval(() => this.look(compare, ending), compare_every_s * 1000);
    try {
      await this.listen(events, docker_id, ending);
    } finally {
      clearInterval(timer);
      ending.abort();
      await on_serve(null);
    }
  }

  private async compare(docker_id: string): Promise<void> {
    const { client, fork } = this.options;
    await syncImages(fork(), client.docker, docker_id);
    for (const facts of await syncContainers(fork(), client.docker, docker_id)) await this.consider(facts, docker_id);
  }

  private async consider(facts: ContainerFacts, docker_id: string): Promise<void> {
    if (!wantsReading(facts, this.options.scope)) return;
    const { container_id, container_name, status } = facts;
    const running = ['running', 'paused', 'restarting'].includes(status);
    await openContainerLog(this.options.fork(), { container_id, container_name, docker_id }, running);
  }

  private async listen(events: AsyncIterable<Buffer>, docker_id: string, ending: AbortController): Promise<void> {
    let held = '';
    let gathering = false;
    for await (const chunk of events) {
      const lines = (held + chunk.toString('utf8')).split('\n');
      held = lines.pop() ?? '';
      for (const line of lines) this.note(line);
      if (gathering) continue;
      gathering = true;
      const refresh = async () => {
        await pause(GATHER_MS, undefined, { signal: this.stopping.signal });
        gathering = false;
        await this.refresh(docker_id);
      };
      this.look(refresh, ending);
    }
  }

  private note(line: string): void {
    if (!line.trim()) return;
    const { Type, Actor, id } = JSON.parse(line) as DockerEvent;
    if (Type === 'image') this.images_due = true;
    else if (Actor?.ID ?? id) this.due.add((Actor?.ID ?? id) as string);
  }

  /** Looks anew at what events named; many events of one thing are one look. */
  private async refresh(docker_id: string): Promise<void> {
    const { client, fork } = this.options;
    const ids = [...this.due];
    this.due.clear();
    if (this.images_due) {
      this.images_due = false;
      await syncImages(fork(), client.docker, docker_id);
    }
    for (const id of ids) {
      const facts = await syncContainer(fork(), client.docker, { docker_id, id });
      if (facts) await this.consider(facts, docker_id);
    }
  }
}
