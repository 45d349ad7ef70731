import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config/env.ts';
import { EngineError } from '../core/errors.ts';

const [NONCE_BYTES, TAG_BYTES, KEY_BYTES] = [12, 16, 32];

/** Encrypts secrets at rest. `key_id` names the key without telling it, so that a value under another key is recognised. */
export type Vault = { key_id: string; encrypt(text: string): Buffer; decrypt(blob: Uint8Array): string };

/** AES-256-GCM; a value is stored as nonce (12 bytes), ciphertext, tag (16 bytes). */
export function createVault(key: Buffer): Vault {
  const encrypt = (text: string): Buffer => {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  };
  const decrypt = (blob: Uint8Array): string => {
    try {
      const bytes = Buffer.from(blob);
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      return decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
    } catch (cause) {
      throw new EngineError('internal', 'a stored secret cannot be decrypted with the configured key', { cause });
    }
  };
  return { key_id: createHash('sha256').update('key-id').update(key).digest('hex').slice(0, 16), encrypt, decrypt };
}

/**
 * The vault of this installation: key from SECRETS_KEY (base64 of 32 bytes), else from `<DATA_DIR>/secret.key`, made once with mode 0600.
 * @throws EngineError invalid_input: the key is not 32 bytes of base64
 */
export async function openVault(config: Pick<Config, 'DATA_DIR' | 'SECRETS_KEY'>): Promise<Vault> {
  if (config.SECRETS_KEY !== undefined) return createVault(parseKey(config.SECRETS_KEY, 'SECRETS_KEY'));
  const file = path.join(config.DATA_DIR, 'secret.key');
  return createVault(parseKey((await readKey(file)) ?? (await makeKey(file)), file));
}

function parseKey(text: string, source: string): Buffer {
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length !== KEY_BYTES)
    throw new EngineError('invalid_input', `${source}: expected base64 of ${KEY_BYTES} bytes, got ${key.length} bytes`);
  return key;
}

async function readKey(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new EngineError('internal', `${file}: the key file cannot be read`, { cause });
  }
}

/** Writes aside and links: of several processes that start at once, one wins and all use its key. */
async function makeKey(file: string): Promise<string> {
  const aside = `${file}.${randomBytes(6).toString('hex')}`;
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(aside, `${randomBytes(KEY_BYTES).toString('base64')}\n`, { mode: 0o600, flag: 'wx' });
  try {
    await link(aside, file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
      throw new EngineError('internal', `${file}: the key file cannot be made`, { cause });
  } finally {
    await unlink(aside);
  }
  return await readFile(file, 'utf8');
}
