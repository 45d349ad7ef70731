import { z } from 'zod';
import { Name, text } from './limits.ts';

/** A host name, an IP address, or `*.` and a domain for all names below it. */
const Host = z
  .string()
  .min(1)
  .max(253)
  .regex(/^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/, 'must be a host name, an address or "*." and a domain');

const Grantee = z.union([z.literal('*'), Name.max(50)]);
const unique = (items: string[]): string[] => [...new Set(items)];

const content = {
  value: text(65_536).min(1).describe('never shown again'),
  hosts: z.array(Host).max(50).default([]).transform(unique).describe('where it may be sent; empty: only into environments'),
  granted_to: z.array(Grantee).max(1_000).default([]).transform(unique).describe('names of users whose tasks may refer to it; `*`: all'),
};

export const SecretContent = z.strictObject(content).meta({ id: 'SecretContent' });
export type SecretContent = z.output<typeof SecretContent>;
export const SecretCreation = z.strictObject({ name: Name, ...content }).meta({ id: 'SecretCreation' });
export type SecretCreation = z.output<typeof SecretCreation>;

/** A secret as the API shows it: never its value. */
export const Secret = z
  .object({
    name: z.string(),
    hosts: z.array(z.string()),
    granted_to: z.array(z.string()),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Secret' });
export type Secret = z.output<typeof Secret>;
