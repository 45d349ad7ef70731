import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request that arrived, whole. */
export type Received = { path: string; headers: Record<string, string>; body: string; at: number };

/** What the receiver does with a request: a status, or nothing at all, or a broken connection, or as it likes. `headers` go with a status. */
export type Reaction =
  | number
  | 'hang'
  | 'disconnect'
  | { status: number; headers: Record<string, string> }
  | ((res: ServerResponse) => void);

/** A web server on loopback that records what it gets and reacts as it is told. */
export class Receiver {
  readonly received: Received[] = [];
  /** Decides by request and by how often its webhook-id came before. */
  react: (request: Received, earlier: number) => Reaction = () => 200;
  /** Most requests that were open at the same time. */
  most_open = 0;
  private open = 0;
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
    server.on('request', (req: IncomingMessage, res: ServerResponse) => void this.take(req, res));
  }

  static async start(): Promise<Receiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Receiver(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async take(req: IncomingMessage, res: ServerResponse): Promise<void> {
    this.open += 1;
    this.most_open = Math.max(this.most_open, this.open);
    res.once('close', () => {
      this.open -= 1;
    });
    const chunks: Buffer[] = [];
    for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk);
    const request: Received = {
      path: req.url ?? '',
      headers: req.headers as Record<string, string>,
      body: Buffer.concat(chunks).toString('utf8'),
      at: Date.now(),
    };
    const earlier = this.received.filter(({ headers }) => headers['webhook-id'] === request.headers['webhook-id']).length;
    this.received.push(request);
    const reaction = this.react(request, earlier);
    if (reaction === 'hang') return;
    if (reaction === 'disconnect') return void req.socket.destroy();
    if (typeof reaction === 'function') return reaction(res);
    const { status, headers } = typeof reaction === 'number' ? { status: reaction, headers: {} } : reaction;
    res.writeHead(status, headers).end();
  }
}
