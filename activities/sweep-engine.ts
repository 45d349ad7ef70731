import type { Engine } from '../engines/define-engine.ts';
import { query } from '../entities/sql.ts';
import type { ActivityDeps } from './deps.ts';

type Sweeping = Pick<ActivityDeps, 'fork' | 'logger'>;

/** Instances this young may have been admitted after the database was asked, by a machine whose clock is a little off. */
const YOUNG_MS = 120_000;

/** Milliseconds since 1970 at which a UUIDv7 was made. */
const madeAt = (runid: string): number => Number.parseInt(runid.replaceAll('-', '').slice(0, 12), 16);

type Sweep = { live: readonly string[]; gone: readonly string[] };

/** The instances whose belongings stay: those that the database calls live, and any too young for its answer, other than `gone`. */
class LiveInstances extends Set<string> {
  private readonly gone: ReadonlySet<string>;

  constructor({ live, gone }: Sweep) {
    super(live);
    this.gone = new Set(gone);
  }

  override has(runid: string): boolean {
    if (this.gone.has(runid)) return false;
    return super.has(runid) || Date.now() - madeAt(runid) < YOUNG_MS;
  }
}

/** Live instances, and young ones that are final already. */
const KNOWN = `
select runid, status in ('starting', 'running') as live from instances
where status in ('starting', 'running') or created_at > clock_timestamp() - make_interval(secs => $1)`;

/**
 * Removes what an engine's dead instances left behind on this machine.
 * @param gone instances that are known to have no right to theirs, whatever the database still says
 */
export async function sweepEngine({ fork, logger }: Sweeping, engine: Engine, gone: readonly string[] = []): Promise<void> {
  if (!engine.sweep) return;
  const rows = await query<{ runid: string; live: boolean }>(fork(), KNOWN, [(2 * YOUNG_MS) / 1000]);
  const runids = (live: boolean) => rows.filter((row) => row.live === live).map(({ runid }) => runid);
  await engine.sweep(new LiveInstances({ live: runids(true), gone: [...runids(false), ...gone] }), logger);
}
