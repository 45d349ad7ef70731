import { connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy before a server that can be made unreachable and reachable again, as a broken network would. */
export class CuttableProxy {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private is_cut = false;

  constructor(target: { host: string; port: number }) {
    this.server = createServer((socket) => {
      if (this.is_cut) return void socket.destroy();
      const other = connect(target);
      for (const one of [socket, other]) this.keep(one);
      socket.pipe(other).pipe(socket);
      socket.once('close', () => other.destroy());
      other.once('close', () => socket.destroy());
    });
  }

  /** @returns the port on loopback */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as { port: number }).port;
  }

  cut(): void {
    this.is_cut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.is_cut = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => this.sockets.delete(socket));
  }
}
