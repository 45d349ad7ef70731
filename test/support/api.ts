import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Express } from 'express';
import { pino } from 'pino';
import supertest from 'supertest';
import { createApp } from '../../api/create-app.ts';
import type { ArtifactStore } from '../../artifacts/artifact-store.ts';
import { createFolderStore } from '../../artifacts/folder-store.ts';
import { newApiKey } from '../../commands/api-key.ts';
import type { Actor } from '../../commands/context.ts';
import { DetectionIntake } from '../../commands/detection-intake.ts';
import { createVault, type Vault } from '../../commands/secrets-vault.ts';
import { type Config, loadConfig } from '../../config/env.ts';
import { type Em, query } from '../../entities/sql.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { makePool, makeQueue, makeTemplate, makeUser, makeWorker, testEngines, type UserOptions } from './factories.ts';

/** A user with a key. */
export type Caller = Actor & { key: string };

/** The application on a database of its own; `notified` and `log_lines` record what it said. */
export type TestApi = {
  app: Express;
  database: TestDatabase;
  em: Em;
  vault: Vault;
  artifacts: ArtifactStore;
  /** Where the artifacts are. */
  folder: string;
  notified: string[];
  log_lines: Record<string, unknown>[];
  /** Pool `p`, queue `q`, worker `w`, template `t`, and one caller for each role. */
  admin: Caller;
  operator: Caller;
  user: Caller;
  stranger: Caller;
  as(caller: Caller | null): Client;
  stop(): Promise<void>;
};

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
/** Requests below /api/v1 with a caller's key. */
export type Client = Record<Method, (path: string) => supertest.Test>;

export async function makeCaller(em: Em, username: string, options: UserOptions = {}): Promise<Caller> {
  const actor = await makeUser(em, username, options);
  const { key, hash } = newApiKey(actor.id);
  await query(em, 'update users set api_key = $2 where id = $1', [actor.id, hash]);
  return { ...actor, key };
}

function clientOf(app: Express, caller: Caller | null): Client {
  const request = (method: Method) => (path: string) => {
    const test = supertest(app)[method](`/api/v1${path}`);
    return caller ? test.set('Authorization', `Bearer ${caller.key}`) : test;
  };
  return { get: request('get'), post: request('post'), put: request('put'), patch: request('patch'), delete: request('delete') };
}

async function populate(em: Em) {
  await makePool(em);
  await makeQueue(em);
  await makeWorker(em);
  await makeTemplate(em);
  await makeTemplate(em, 'video', { engine: 'video', quota_cost: 1 });
  const admin = await makeCaller(em, 'admin', { role: 'admin' });
  const operator = await makeCaller(em, 'operator', { role: 'operator' });
  return { admin, operator, user: await makeCaller(em, 'user'), stranger: await makeCaller(em, 'stranger') };
}

/** The real application without its listener: supertest opens one per request. */
export async function createTestApi(changes: Partial<Config> = {}): Promise<TestApi> {
  const database = await createTestDatabase();
  const em = database.em as Em;
  const callers = await populate(em);
  const vault = createVault(Buffer.alloc(32, 7));
  const folder = await mkdtemp(path.join(os.tmpdir(), 'orchestrator-api-'));
  const artifacts = createFolderStore(folder);
  const stopping = new AbortController();
  const notified: string[] = [];
  const log_lines: Record<string, unknown>[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void log_lines.push(JSON.parse(line)) });
  const config = { ...loadConfig({}), RATE_LIMIT_PER_MINUTE: 0, FLAMES_OLD_LOGS_DIR: path.join(folder, 'flames-old'), ...changes };
  const detections = new DetectionIntake({
    fork: () => database.orm.em.fork() as Em,
    logger,
    max_weight: config.DETECTION_QUEUE_MB * 2 ** 20,
  });
  const app = createApp({
    orm: database.orm,
    config,
    engines: testEngines,
    vault,
    artifacts,
    detections,
    logger,
    notify: (channel) => void notified.push(channel),
    stopping: stopping.signal,
    temporal_address: null,
  });
  const stop = async () => {
    stopping.abort();
    await detections.stop(5_000);
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  };
  return { app, database, em, vault, artifacts, folder, notified, log_lines, ...callers, as: (caller) => clientOf(app, caller), stop };
}
