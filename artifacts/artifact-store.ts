import type { Readable } from 'node:stream';

/** What is known of a stored file. `size` in bytes. */
export type ArtifactInfo = { key: string; size: number; modified_at: Date };

/** What a write made: bytes, and their SHA-256 in hex. */
export type Stored = { key: string; size: number; sha256: string };

export type Content = Uint8Array | string | AsyncIterable<Uint8Array | string>;

/**
 * Where results live that are too large for a row: videos, downloads, archives. One for all processes: a folder that they share, never the disk of one
 * worker. Keys look like paths (`videos/<task>/scene-1.mp4`). A reader sees a file whole or not at all; a later write of the same key replaces it.
 * Every method rejects with EngineError invalid_input for a bad key, and unavailable (retryable) when the store cannot be used: full, away, not permitted.
 */
export type ArtifactStore = {
  put(key: string, content: Content): Promise<Stored>;
  /** Stores a file of this machine; it is moved where that is possible, else copied and removed. */
  take(key: string, file: string): Promise<Stored>;
  /** Null: there is none. */
  stat(key: string): Promise<ArtifactInfo | null>;
  /** Bytes from `start` to `end`, both included; all without a range. @throws EngineError not_found */
  open(key: string, range?: { start: number; end: number } | null): Promise<Readable>;
  /** @returns false: there was none */
  remove(key: string): Promise<boolean>;
  /** Removes everything below a prefix that ends with "/". @returns files removed */
  removeAll(prefix: string): Promise<number>;
  /** Everything below a prefix that ends with "/", or everything ('' ), in no order. */
  list(prefix: string): AsyncIterable<ArtifactInfo>;
  /** Fetches a file into one of this machine, for programs that read files. @throws EngineError not_found */
  fetch(key: string, file: string): Promise<void>;
};
