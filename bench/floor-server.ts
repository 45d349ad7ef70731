import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { serve } from './remote.ts';

/** `pool_max`: connections, as many as the API has. */
export type FloorOptions = { database_url: string; pool_max: number };

const TABLE = `create table if not exists bench_floor (
  uuid uuid primary key, template text not null, parameters jsonb not null, created_at timestamptz not null default now())`;
const INSERT = 'insert into bench_floor (uuid, template, parameters) values ($1, $2, $3)';

async function readJson(request: IncomingMessage): Promise<{ template: string; parameters: unknown }> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

/** The least that a submit can cost: parse, insert one row durably, answer. */
async function accept(pool: pg.Pool, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { template, parameters } = await readJson(request);
  const uuid = uuidv7();
  await pool.query(INSERT, [uuid, template, JSON.stringify(parameters)]);
  response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ uuid, template, status: 'queued' }));
}

async function open({ database_url, pool_max }: FloorOptions) {
  const pool = new pg.Pool({ connectionString: database_url, max: pool_max, application_name: 'bench floor' });
  await pool.query(TABLE);
  const server = createServer((request, response) => {
    accept(pool, request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tasks`;
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await pool.end();
  };
  return { methods: { url: async () => url }, close };
}

export type FloorMethods = Awaited<ReturnType<typeof open>>['methods'];

await serve(open);
