import { z } from 'zod';

/** Names of queues, pools, templates, secrets: readable in URLs, logs and Temporal UI. */
export const Name = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must start with a letter or digit and hold only letters, digits, ".", "_" and "-"');

/** Text that PostgreSQL can store: no NUL, no lone surrogates. */
export const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((s) => !s.includes('\0') && s.isWellFormed(), 'must not hold NUL characters or lone surrogates');

export const Priority = z.int().min(0).max(100);

/** Cores in thousandths at most three digits after the point. */
export const Cores = z
  .number()
  .min(0)
  .max(100_000)
  .refine((n) => Math.abs(n * 1000 - Math.round(n * 1000)) < 1e-6, 'must not have more than three digits after the point');

export const MemoryMb = z.int().min(0).max(1_000_000_000);

/** Seconds that an instance may run: up to 30 days. */
export const TimeoutS = z.int().min(1).max(2_592_000);

/** Seconds that a task may wait, start or take in all: up to a year. */
export const ClockS = z.int().min(1).max(31_622_400);

/** Up to 20 labels of a task: `{"env": "prod"}`. */
export const Tags = z
  .record(text(50).min(1), text(200))
  .refine((t) => Object.keys(t).length <= 20, 'must not have more than 20 entries')
  .refine((t) => !['__proto__', 'constructor', 'prototype'].some((k) => Object.hasOwn(t, k)), 'must not use reserved names');

/** An instant with a zone, as ISO 8601; years 1970 to 9999. */
export const Instant = z.iso.datetime({ offset: true }).refine((s) => {
  const year = new Date(s).getUTCFullYear();
  return year >= 1970 && year <= 9999;
}, 'must be a time between the years 1970 and 9999');
