import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

/** A message as it arrived: to whom, and its text with headers. */
export type Mail = { to: string[]; raw: string };

/** A reply that refuses: its code and text. */
export type SmtpRefusal = { code: number; text: string };

const refusal = ({ code, text }: SmtpRefusal): Error => Object.assign(new Error(text), { responseCode: code });

/** A real SMTP server on loopback that keeps what it takes. `refuses`: by recipient; `refuses_message`: after DATA. */
export class MailServer {
  readonly mails: Mail[] = [];
  readonly refuses = new Map<string, SmtpRefusal>();
  refuses_message: SmtpRefusal | null = null;
  private readonly server: SMTPServer;

  constructor() {
    this.server = new SMTPServer({
      authMethods: ['PLAIN', 'LOGIN'],
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) =>
        password === 'right' ? done(null, { user: username ?? '' }) : done(refusal({ code: 535, text: 'wrong password' })),
      onRcptTo: ({ address }, _session, done) => {
        const refused = this.refuses.get(address);
        done(refused ? refusal(refused) : null);
      },
      onData: (stream, session, done) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => {
          if (this.refuses_message) return done(refusal(this.refuses_message));
          this.mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), raw: Buffer.concat(chunks).toString() });
          done();
        });
      },
    });
    this.server.on('error', () => undefined);
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => void this.server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  url(login = ''): string {
    return `smtp://${login}127.0.0.1:${(this.server.server.address() as AddressInfo).port}`;
  }

  forget(): void {
    this.mails.splice(0);
    this.refuses.clear();
    this.refuses_message = null;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => void this.server.close(resolve));
  }
}
