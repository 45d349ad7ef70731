import { z } from 'zod';

/** Query parameters of every list. */
export const PageQuery = {
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('most items of a page'),
  cursor: z.string().min(1).max(2_000).optional().describe('next_cursor of the page before'),
};

/** A page of a list: `next_cursor` null on the last one. */
export const pageOf = <S extends z.ZodType>(item: S) => z.object({ items: z.array(item), next_cursor: z.string().nullable() });

/** A parameter that may be given several times, as an array. */
export const repeatable = <S extends z.ZodType>(item: S) =>
  z.preprocess((value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]), z.array(item).max(20));

/** A comma-separated list of known words. */
export const words = <const W extends readonly [string, ...string[]]>(allowed: W) =>
  z
    .string()
    .max(500)
    .transform((text, ctx) => {
      const parts = text.split(',').map((part) => part.trim());
      const wrong = parts.find((part) => !allowed.includes(part));
      if (wrong === undefined) return parts as W[number][];
      ctx.addIssue({ code: 'custom', message: `must be a comma-separated list of ${allowed.join(', ')}` });
      return z.NEVER;
    })
    .meta({
      override: {
        type: 'string',
        pattern: `^(${allowed.join('|')})(,(${allowed.join('|')}))*$`,
        examples: [allowed.slice(0, 2).join(',')],
      },
    });
