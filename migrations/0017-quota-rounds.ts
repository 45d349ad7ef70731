import { Migration } from '@mikro-orm/migrations';

const WAS = `if last.id is null or last.kind = 'refund' then`;
/** What was paid for and given up again is not there any more: who renders it anew pays for a new round. */
const IS = `if last.id is null or last.kind = 'refund' or (last.kind = 'commit' and new.completed_scenes = 0) then`;

const rewritten = (from: string, to: string): string => `do $do$
declare
  before text := pg_get_functiondef('keep_quota_ledger()'::regprocedure);
  after text := replace(before, $text$${from}$text$, $text$${to}$text$);
begin
  if after = before then raise exception 'keep_quota_ledger is not as expected'; end if;
  execute after;
end $do$`;

/** A retry of a video whose files were removed is charged like a new one. */
export class Migration0017QuotaRounds extends Migration {
  override up(): void {
    this.addSql(rewritten(WAS, IS));
  }

  override down(): void {
    this.addSql(rewritten(IS, WAS));
  }
}
