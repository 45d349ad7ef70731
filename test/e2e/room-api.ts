import type { Express } from 'express';
import { pino } from 'pino';
import supertest from 'supertest';
import { createApp } from '../../api/create-app.ts';
import { createFolderStore } from '../../artifacts/folder-store.ts';
import { newApiKey } from '../../commands/api-key.ts';
import { DetectionIntake } from '../../commands/detection-intake.ts';
import { createVault } from '../../commands/secrets-vault.ts';
import { query } from '../../entities/sql.ts';
import { testEngines } from './empty-engine.ts';
import type { Room } from './room.ts';

/** The API over the database and the artifacts of a room, as its administrator. */
export type RoomApi = { app: Express; key: string; get(path: string): supertest.Test; post(path: string): supertest.Test };

export async function openRoomApi(room: Room): Promise<RoomApi> {
  const config = { ...room.config(), RATE_LIMIT_PER_MINUTE: 0 };
  const logger = pino({ level: 'silent' });
  const app = createApp({
    orm: room.db.orm,
    config,
    engines: testEngines(config),
    vault: createVault(Buffer.alloc(32, 7)),
    artifacts: createFolderStore(config.ARTIFACTS_DIR),
    detections: new DetectionIntake({ fork: () => room.fork(), logger, max_weight: config.DETECTION_QUEUE_MB * 2 ** 20 }),
    logger,
    notify: (channel) => room.notifier.notify(channel),
    stopping: new AbortController().signal,
    temporal_address: null,
  });
  const { key, hash } = newApiKey(1);
  await query(room.fork(), 'update users set api_key = $1 where id = 1', [hash]);
  const request = (method: 'get' | 'post') => (path: string) =>
    supertest(app)[method](`/api/v1${path}`).set('Authorization', `Bearer ${key}`);
  return { app, key, get: request('get'), post: request('post') };
}
