import { EngineError } from '../core/errors.ts';
import { type Em, query } from '../entities/sql.ts';
import { findUser } from '../entities/user.queries.ts';
import { User as UserEntity } from '../entities/user.ts';
import type { User, UserChange } from '../schemas/user.ts';
import { audited } from './audited.ts';
import type { CommandContext } from './context.ts';
import { lockRow } from './lock-row.ts';

/**
 * Changes a user. An inactive user's keys are refused at once; running tasks go on.
 * @throws EngineError not_found; conflict: the e-mail address is taken, or nobody would be administrator any more
 */
export async function changeUser(ctx: CommandContext, id: number, change: UserChange): Promise<User> {
  return await audited(ctx, { action: 'user.change', subject_type: 'user', subject_id: String(id) }, async (em) => {
    await lockAdministrators(em);
    await lockRow(em, 'users', id);
    const before = await findUser(em, id);
    await refuseTakenEmail(em, id, change.email);
    await em.nativeUpdate(UserEntity, { id }, change);
    await refuseNoAdministrator(em);
    const user = (await findUser(em, id)) as User;
    return { before, after: user, result: user };
  });
}

/** Two administrators who demote each other at the same moment must not both succeed. */
async function lockAdministrators(em: Em): Promise<void> {
  await query(em, `select 1 from users where role = 'admin' order by id for no key update`);
}

async function refuseNoAdministrator(em: Em): Promise<void> {
  const left = await query(em, `select 1 from users where role = 'admin' and is_active limit 1`);
  if (left.length === 0) throw new EngineError('conflict', 'user: at least one active administrator must remain');
}

async function refuseTakenEmail(em: Em, id: number, email: string | null | undefined): Promise<void> {
  if (!email) return;
  const taken = await query(em, 'select 1 from users where email = $1 and id <> $2', [email, id]);
  if (taken.length > 0) throw new EngineError('conflict', `user: the e-mail address ${email} is taken`);
}
