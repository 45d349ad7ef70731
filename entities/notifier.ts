import pg from 'pg';
import type { Logger } from 'pino';

/** `dispatch`: something may start now. `cancel`: a running task shall stop. Notifications only shorten a wait; polls are the guarantee. */
export type Channel = 'dispatch' | 'cancel';
export type Notifier = { notify(channel: Channel): void; stop(): Promise<void> };
export type Listener = { stop(): Promise<void> };

/** Notifications that follow one within this time wait and go out together. */
const COALESCE_MS = 5;
const RECONNECT_MS = 1_000;

type Wire = { url: string; logger: Logger };

/**
 * Sends notifications on a connection of its own, so that no request waits for PostgreSQL's notification lock. The first goes out at once,
 * those within a few milliseconds of it together. Never throws: while the database is away they are dropped, since listeners poll.
 */
export function createNotifier({ url, logger }: Wire): Notifier {
  const waiting = new Set<Channel>();
  let client: pg.Client | null = null;
  let timer: NodeJS.Timeout | null = null;
  let sending = Promise.resolve();
  let sent_at = -Infinity;

  const flush = async () => {
    const channels = [...waiting];
    waiting.clear();
    if (channels.length === 0) return;
    try {
      client ??= await connectNotifier(url, () => {
        client = null;
      });
      for (const channel of channels) await client.query('select pg_notify($1, $2)', [channel, '']);
    } catch (error) {
      logger.debug({ err: error }, 'notification not sent');
    }
  };
  const schedule = () => {
    if (timer) clearTimeout(timer);
    timer = null;
    sent_at = performance.now();
    sending = sending.then(flush);
  };

  return {
    notify(channel) {
      waiting.add(channel);
      const wait_ms = sent_at + COALESCE_MS - performance.now();
      if (wait_ms > 0) timer ??= setTimeout(schedule, wait_ms);
      else schedule();
    },
    async stop() {
      if (timer) clearTimeout(timer);
      await sending;
      await client?.end().catch(() => undefined);
    },
  };
}

/** Listens for ever, connecting again after each loss; calls `on_notify` once after every (re)connect, because something may have been missed. */
export function createListener(options: Wire & { channels: readonly Channel[]; on_notify: (channel: Channel) => void }): Listener {
  const { url, logger, channels, on_notify } = options;
  let stopped = false;
  let client: pg.Client | null = null;
  let timer: NodeJS.Timeout | null = null;

  const again = () => {
    client = null;
    if (!stopped) timer ??= setTimeout(open, RECONNECT_MS);
  };
  const open = async () => {
    timer = null;
    try {
      const fresh = await connect(url, 'listener', again);
      client = fresh;
      fresh.on('notification', (message) => on_notify(message.channel as Channel));
      for (const channel of channels) await fresh.query(`listen ${channel}`);
      for (const channel of channels) on_notify(channel);
    } catch (error) {
      logger.debug({ err: error }, 'listener not connected');
      again();
    }
  };
  const opening = open();

  return {
    async stop() {
      stopped = true;
      if (timer) clearTimeout(timer);
      await opening;
      await client?.end().catch(() => undefined);
    },
  };
}

/** A notification needs no disk: without this its commit would wait for one, and the listener with it. */
async function connectNotifier(url: string, onEnd: () => void): Promise<pg.Client> {
  const client = await connect(url, 'notifier', onEnd);
  await client.query('set synchronous_commit = off');
  return client;
}

async function connect(url: string, name: string, onEnd: () => void): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: `orchestrator ${name}`,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  client.on('error', () => undefined);
  client.once('end', onEnd);
  await client.connect();
  return client;
}
