import nodemailer, { type Transporter } from 'nodemailer';
import type { Attempt } from '../core/delivery.ts';
import { within } from '../entities/within.ts';

/** `id` becomes the message id, the same for every attempt, so that a mailbox shows a repetition once. `accepted`: those of `to` who have it already. */
export type Email = { id: string; to: readonly string[]; accepted: readonly string[]; subject: string; text: string };

/** Sends mail; `close` ends the connections. */
export type Mailer = { send(email: Email): Promise<Attempt>; close(): void };

type Settings = { url: string; from: string; timeout_ms: number };
type SmtpError = Error & { code?: string; responseCode?: number; response?: string; recipient?: string; rejectedErrors?: SmtpError[] };

/** Mail by the configured SMTP server. Contents are never read from files or addresses. */
export function createMailer({ url, from, timeout_ms }: Settings): Mailer {
  const limits = { connectionTimeout: timeout_ms, greetingTimeout: timeout_ms, socketTimeout: timeout_ms, dnsTimeout: timeout_ms };
  const transport = nodemailer.createTransport({ url, ...limits, disableFileAccess: true, disableUrlAccess: true });
  const domain = /@([A-Za-z0-9.-]+)/.exec(from)?.[1] ?? 'localhost';
  return { send: (email) => sendEmail({ transport, from, domain, timeout_ms }, email), close: () => transport.close() };
}

type Post = { transport: Transporter; from: string; domain: string; timeout_ms: number };

/** To those who have not got it yet; whom the server takes it for does not get it again. */
async function sendEmail({ transport, from, domain, timeout_ms }: Post, { id, to, accepted, subject, text }: Email): Promise<Attempt> {
  const left = to.filter((address) => !accepted.includes(address));
  const message = {
    from,
    to: [...to],
    subject: subject.replace(/\s+/g, ' '),
    text,
    messageId: `<${id}@${domain}>`,
    headers: { 'auto-submitted': 'auto-generated' },
    envelope: { from, to: left },
  };
  try {
    const info = await within(timeout_ms, 'the mail server', transport.sendMail(message));
    const taken = new Set((info.accepted ?? []).map((address: unknown) => String(address).toLowerCase()));
    const have = [...accepted, ...left.filter((address) => taken.has(address.toLowerCase()))];
    return judgeRefusals((info.rejectedErrors ?? []) as SmtpError[], have);
  } catch (error) {
    const { rejectedErrors = [] } = error as SmtpError;
    return rejectedErrors.length > 0 ? judgeRefusals(rejectedErrors, [...accepted]) : judgeFailure(error as SmtpError, [...accepted]);
  }
}

const oneLine = (text: string): string => text.replaceAll('\0', '').replace(/\s+/g, ' ').toWellFormed();
const isFinal = (code: number | undefined): boolean => code !== undefined && code >= 500 && code <= 599;

/** It is delivered when nobody is left to try again and somebody has it; who was refused for good is named. */
function judgeRefusals(refused: readonly SmtpError[], accepted: string[]): Attempt {
  const open = refused.filter(({ responseCode }) => !isFinal(responseCode));
  const list = (open.length > 0 ? open : refused).map(
    ({ recipient, response, message }) => `${recipient}: ${oneLine(response ?? message)}`,
  );
  const detail = list.length > 0 ? list.join('; ').slice(0, 500) : null;
  const code = `smtp_${(open[0] ?? refused[0])?.responseCode ?? 'refused'}`;
  const rest = { detail, retry_after_s: null, accepted };
  if (open.length > 0) return { ...rest, result: 'again', code, blames: 'message' };
  if (accepted.length > 0) return { ...rest, result: 'delivered', code: 'smtp_accepted', blames: null };
  return { ...rest, result: 'gone', code, blames: 'message' };
}

/** The server took nothing: a final reply to the message is its last word, all else is the server's trouble and passes. */
function judgeFailure({ code, responseCode, response, message }: SmtpError, accepted: string[]): Attempt {
  const about_message = responseCode !== undefined && (code === 'EMESSAGE' || code === 'EENVELOPE');
  return {
    result: about_message && isFinal(responseCode) ? 'gone' : 'again',
    code: responseCode === undefined ? 'smtp_unreachable' : `smtp_${responseCode}`,
    detail: oneLine(response ?? message).slice(0, 500),
    retry_after_s: null,
    blames: about_message ? 'message' : 'target',
    accepted,
  };
}
