import { resolveSecret } from '../commands/resolve-secret.ts';
import { openVault, type Vault } from '../commands/secrets-vault.ts';
import type { Senders } from '../commands/send-deliveries.ts';
import type { Config } from '../config/env.ts';
import { parseOutboundAllow } from '../core/outbound.ts';
import { createMailer, type Mailer } from '../engines/outbound-email.ts';
import { createOutboundAgent } from '../engines/outbound-guard.ts';
import { sendWebhook } from '../engines/outbound-webhook.ts';
import type { Em } from '../entities/sql.ts';

export type SenderSettings = Pick<Config, 'DATA_DIR' | 'OUTBOUND_ALLOW' | 'SECRETS_KEY' | 'SMTP_URL' | 'SMTP_FROM'>;

const SMTP_TIMEOUT_MS = 15_000;

/** The ways out of this process: webhooks through the outbound guard, mail by the configured server. `close` ends their connections, and may be called twice. */
export function createSenders(config: SenderSettings, fork: () => Em): Senders & { close(): Promise<void> } {
  const agent = createOutboundAgent(parseOutboundAllow(config.OUTBOUND_ALLOW));
  const mailer = mailerOf(config);
  let vault: Promise<Vault> | null = null;
  let closing: Promise<void> | null = null;
  return {
    webhook: (webhook) => sendWebhook(agent, webhook),
    mail: mailer && ((email) => mailer.send(email)),
    secret: async (request) => {
      vault ??= openVault(config);
      return await resolveSecret(fork(), await vault, request);
    },
    close: async () => {
      mailer?.close();
      closing ??= agent.close();
      await closing;
    },
  };
}

function mailerOf({ SMTP_URL, SMTP_FROM }: SenderSettings): Mailer | null {
  if (SMTP_URL === undefined) return null;
  return createMailer({ url: SMTP_URL, from: SMTP_FROM, timeout_ms: SMTP_TIMEOUT_MS });
}
