import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';
import pLimit from 'p-limit';
import { noteStarted, type StartableBreach, startableBreaches } from '../commands/start-breaches.ts';
import { ORCHESTRATOR_QUEUE, type SlaBreachInput } from '../core/workflow-contract.ts';
import type { DispatcherDeps } from './deps.ts';
import type { TemporalLink } from './temporal-link.ts';
import { clip } from './workflow-options.ts';

/** Each holds a database connection for a moment; a process has 10 by default. */
const AT_ONCE = 3;
const BATCH = 100;
const SUMMARY_BYTES = 200;
const ANSWER_MS = 10_000;
/** Temporal's keys, 1 is the most urgent, 3 what schedules have: in a flood of breaches those that only are on record come last. */
const PRIORITY = { acts: 4, is_recorded: 5 } as const;

const keyword = (name: string) => defineSearchAttributeKey(name, SearchAttributeType.KEYWORD);
const [TASK, QUEUE, TEMPLATE] = [keyword('OrchTaskId'), keyword('OrchQueue'), keyword('OrchTemplate')];
const SLA = defineSearchAttributeKey('OrchSlaBreach', SearchAttributeType.KEYWORD_LIST);

type Deps = Pick<DispatcherDeps, 'fork' | 'client' | 'logger' | 'ensureSearchAttributes'>;

function attributesOf({ sla, task, queue, template }: StartableBreach): TypedSearchAttributes {
  const keywords = [
    { key: TASK, value: task },
    { key: QUEUE, value: queue },
    { key: TEMPLATE, value: template },
  ].flatMap(({ key, value }) => (value === null ? [] : [{ key, value }]));
  return new TypedSearchAttributes([...keywords, { key: SLA, value: [sla] }]);
}

/** Starts `sla/<breach id>` for each breach in the outbox. What fails stays there; one that is started again meets the open workflow, or does nothing twice. */
export class BreachStarter {
  private readonly deps: Deps;
  private readonly link: TemporalLink;
  private readonly limit = pLimit(AT_ONCE);
  private starting: Promise<void> | null = null;
  private again = false;
  private stopped = false;

  constructor(deps: Deps, link: TemporalLink) {
    this.deps = deps;
    this.link = link;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.starting;
  }

  /** Starts what waits now, also what came while it was at it. Never rejects. */
  async tick(): Promise<void> {
    this.again = true;
    this.starting ??= this.rounds().finally(() => {
      this.starting = null;
    });
    await this.starting;
  }

  private async rounds(): Promise<void> {
    while (this.again && !this.stopped) {
      this.again = false;
      try {
        await this.startAll();
      } catch (cause) {
        this.deps.logger.debug({ err: cause }, 'the outbox of breaches could not be looked at; tried again with the next look');
      }
    }
  }

  private async startAll(): Promise<void> {
    for (let taken = BATCH; taken === BATCH && !this.stopped && (await this.link.ready()); ) {
      const breaches = await startableBreaches(this.deps.fork(), BATCH);
      taken = breaches.length;
      await Promise.all(breaches.map((breach) => this.limit(() => this.start(breach))));
    }
  }

  private async start(breach: StartableBreach): Promise<void> {
    if (this.stopped || !this.link.up) return;
    const input: SlaBreachInput = { breach_id: breach.id };
    const options = {
      workflowId: `sla/${breach.id}`,
      taskQueue: ORCHESTRATOR_QUEUE,
      args: [input],
      workflowIdConflictPolicy: 'USE_EXISTING',
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      staticSummary: clip(breach.title, SUMMARY_BYTES),
      priority: { priorityKey: breach.acts ? PRIORITY.acts : PRIORITY.is_recorded },
      typedSearchAttributes: attributesOf(breach),
    } as const;
    const { client, fork } = this.deps;
    try {
      await client.withDeadline(Date.now() + ANSWER_MS, () => client.workflow.start('slaBreach', options));
      await noteStarted(fork(), breach.id);
    } catch (cause) {
      await this.failed(breach, cause);
    }
  }

  private async failed({ id }: StartableBreach, cause: unknown): Promise<void> {
    const { logger, ensureSearchAttributes } = this.deps;
    logger.warn({ err: cause, breach: id }, 'the workflow of a breach could not be started; tried again');
    const text = `${cause} ${(cause as Error).cause}`;
    if (/search attribute/i.test(text)) await ensureSearchAttributes().catch(() => undefined);
    else this.link.failed(cause);
  }
}
