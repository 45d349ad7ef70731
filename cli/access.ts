import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/env.ts';
import { EngineError } from '../core/errors.ts';
import { readEndpoints } from '../platform/endpoints.ts';

/** What a command needs to talk to an installation; `temporal_ui` null: no links. */
export type Access = { url: string; key: string; temporal_ui: string | null; temporal_namespace: string };

type Settings = Pick<Config, 'DATA_DIR' | 'ORCHESTRATOR_URL' | 'ORCHESTRATOR_KEY' | 'TEMPORAL_UI_URL' | 'TEMPORAL_NAMESPACE'>;

/**
 * Address and key from the configuration, else those that `npm start` left in the data folder.
 * @throws EngineError unavailable: says what to start or set
 */
export function findAccess(config: Settings): Access {
  const endpoints = readEndpoints(config.DATA_DIR);
  const url = config.ORCHESTRATOR_URL ?? endpoints?.api;
  if (!url) {
    throw new EngineError(
      'unavailable',
      `no ${path.join(config.DATA_DIR, 'endpoints.json')}: run "npm start" and leave it running, or set ORCHESTRATOR_URL and ORCHESTRATOR_KEY`,
    );
  }
  return {
    url: url.replace(/\/+$/, ''),
    key: config.ORCHESTRATOR_KEY ?? keptKey(config.DATA_DIR),
    temporal_ui: config.TEMPORAL_UI_URL ?? endpoints?.temporal_ui ?? null,
    temporal_namespace: config.TEMPORAL_NAMESPACE,
  };
}

function keptKey(data_dir: string): string {
  const file = path.join(data_dir, 'admin.key');
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new EngineError('unavailable', `no API key: ${file} cannot be read; expected it there, or a key in ORCHESTRATOR_KEY`, { cause });
  }
}
