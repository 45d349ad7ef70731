import { z } from 'zod';

/** A bucket that takes longer to fill than this would let its limit be forgotten before it means anything. */
const LONGEST_FILL_S = 366 * 86_400;

const limit = z.int().min(1).max(1_000_000).describe('starts in `per_s` seconds on the average');
const per_s = z.int().min(1).max(2_592_000).describe('seconds');
const burst = z.int().min(1).max(1_000_000);

type Rate = { limit: number; per_s: number; burst?: number | undefined };

const fillsInTime = (rate: Rate): boolean => ((rate.burst ?? rate.limit) * rate.per_s) / rate.limit <= LONGEST_FILL_S;
const TOO_SLOW = { error: 'must give `burst` starts within 366 days', path: ['burst'] };

const input = { limit, per_s, burst: burst.optional().describe('starts at once after a rest; default: `limit`') };
const output = { limit: z.int(), per_s: z.int(), burst: z.int() };

/** How many tasks of a queue may start in some time. */
export const QueueRateInput = z.strictObject(input).refine(fillsInTime, TOO_SLOW).meta({ id: 'QueueRateInput' });
export const QueueRate = z.object(output).meta({ id: 'QueueRate' });

/** How many tasks of a template may start in some time, all together or for each value of a parameter. */
export const templateRateInput = (key: z.ZodType<string>) =>
  z
    .strictObject({
      key: key.nullable().default(null).describe('for each value of this parameter; null: all tasks of the template together'),
      ...input,
    })
    .refine(fillsInTime, TOO_SLOW)
    .meta({ id: 'TemplateRateInput' });
export const TemplateRate = z.object({ key: z.string().nullable(), ...output }).meta({ id: 'TemplateRate' });

/** As it is stored: what was left out is filled in. */
export const storedRate = <R extends Rate>(rate: R | null | undefined): (R & { burst: number }) | null =>
  rate ? { ...rate, burst: rate.burst ?? rate.limit } : null;
