import type { Em } from '../entities/sql.ts';
import { actorName, type CommandContext } from './context.ts';
import { writeAudit } from './write-audit.ts';

/** What is done to which thing; `subject_id` null: known only afterwards, see `Change`. */
export type Deed = { action: string; subject_type: string; subject_id: string | null };

/** How the thing looked before and after (null: it did not exist), what the caller gets, and the subject's id where it was not known. */
export type Change<T> = { before: unknown; after: unknown; result: T; subject_id?: string };

/** Runs a change and writes its audit row in one transaction: they stand or fall together. */
export async function audited<T>(ctx: CommandContext, deed: Deed, change: (em: Em) => Promise<Change<T>>): Promise<T> {
  return await ctx.em.transactional(async (tx) => {
    const em = tx as Em;
    const { before, after, result, subject_id } = await change(em);
    await writeAudit(em, {
      actor: actorName(ctx.actor),
      action: deed.action,
      subject_type: deed.subject_type,
      subject_id: subject_id ?? deed.subject_id ?? '',
      before,
      after,
      request_id: ctx.request_id,
    });
    return result;
  });
}
