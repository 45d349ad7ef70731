import nodemailer, { type Transporter } from 'nodemailer';
import type { Attempt } from '../core/delivery.ts';

/** `id` becomes the message id, the same for every attempt, so that a mailbox shows a repetition once. */
export type Email = { id: string; to: readonly string[]; subject: string; text: string };

/** Sends mail; `close` ends the connections. */
export type Mailer = { send(email: Email): Promise<Attempt>; close(): void };

type Settings = { url: string; from: string; timeout_ms: number };

/** Mail by the configured SMTP server. Contents are never read from files or addresses. */
export function createMailer({ url, from, timeout_ms }: Settings): Mailer {
  const limits = { connectionTimeout: timeout_ms, greetingTimeout: timeout_ms, socketTimeout: timeout_ms };
  const transport = nodemailer.createTransport({ url, ...limits, disableFileAccess: true, disableUrlAccess: true });
  const domain = from.replace(/>?$/, '').split('@').at(-1) ?? 'localhost';
  return { send: (email) => sendEmail(transport, { from, domain }, email), close: () => transport.close() };
}

async function sendEmail(transport: Transporter, { from, domain }: { from: string; domain: string }, email: Email): Promise<Attempt> {
  const { id, to, subject, text } = email;
  const headers = { 'auto-submitted': 'auto-generated' };
  try {
    await transport.sendMail({ from, to: [...to], subject: subject.replace(/\s+/g, ' '), text, headers, messageId: `<${id}@${domain}>` });
    return { result: 'delivered', code: 'smtp_accepted', detail: null, retry_after_s: null };
  } catch (error) {
    return refused(error as Error & { responseCode?: number; code?: string });
  }
}

/** 5xx is the server's last word on this message; anything else may pass. */
function refused({ message, responseCode, code }: Error & { responseCode?: number; code?: string }): Attempt {
  const gone = responseCode !== undefined && responseCode >= 500 && code !== 'EAUTH';
  const name = responseCode === undefined ? 'smtp_unreachable' : `smtp_${responseCode}`;
  return { result: gone ? 'gone' : 'again', code: name, detail: message.slice(0, 500), retry_after_s: null };
}
