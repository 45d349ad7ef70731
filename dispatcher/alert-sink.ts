import type { AlertNotice, AlertSink } from '../commands/deliver-alerts.ts';
import { resolveSecret } from '../commands/resolve-secret.ts';
import { openVault, type Vault } from '../commands/secrets-vault.ts';
import type { Config } from '../config/env.ts';
import { EngineError } from '../core/errors.ts';
import { parseOutboundAllow } from '../core/outbound.ts';
import { postAlert } from '../engines/alert-webhook.ts';
import { createOutboundAgent } from '../engines/outbound-guard.ts';
import type { Em } from '../entities/sql.ts';

type Settings = Pick<Config, 'DATA_DIR' | 'OUTBOUND_ALLOW' | 'SECRETS_KEY'>;

function bodyOf({ user_id: _, fired_at, ...alert }: AlertNotice): string {
  const { violation_type, camera_id, rule_name, violations } = alert;
  const title = `${rule_name}: ${violations} × ${violation_type} at camera ${camera_id}`;
  return JSON.stringify({ type: 'alert.fired', timestamp: fired_at, data: { title, ...alert } });
}

/** The ways out for alerts: the history itself for `notify`, webhooks through the outbound guard. `close` ends their connections. */
export function createAlertSink(settings: Settings, fork: () => Em): AlertSink & { close(): Promise<void> } {
  const agent = createOutboundAgent(parseOutboundAllow(settings.OUTBOUND_ALLOW));
  let vault: Promise<Vault> | null = null;
  let closing: Promise<void> | null = null;
  const secretFor = async (name: string, { user_id, rule_name }: AlertNotice, host: string): Promise<string> => {
    if (user_id === null) throw new EngineError('forbidden', `rule "${rule_name}": nobody's secrets sign for it; change it once`);
    vault ??= openVault(settings);
    return await resolveSecret(fork(), await vault, { name, user_id, host });
  };
  return {
    send: async (channel, notice) => {
      if (channel.kind === 'notify') return;
      const { url, secrets } = channel;
      const keys: string[] = [];
      for (const name of secrets) keys.push(await secretFor(name, notice, new URL(url).hostname));
      await postAlert(agent, { url, id: notice.id, body: bodyOf(notice), keys, at: new Date() });
    },
    close: async () => {
      closing ??= agent.close();
      await closing;
    },
  };
}
