import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject, type ZodOpenApiResponsesObject } from 'zod-openapi';
import type { Route } from './define-route.ts';

/** RFC 9457; every refusal looks like this. */
const ProblemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string().describe('stable; says what the caller can do'),
    request_id: z.string(),
    errors: z.array(
      z.object({ pointer: z.string().describe('JSON Pointer into the body, or /query/…, /path/…, /headers/…'), detail: z.string() }),
    ),
  })
  .meta({ id: 'Problem' });

const REFUSALS: Record<string, string> = {
  400: 'malformed request',
  401: 'no valid API key',
  403: 'not permitted to this role',
  404: 'there is none, or it is somebody else’s',
  409: 'contradicts the present state',
  413: 'body too large',
  415: 'body is not JSON',
  416: 'the range lies outside of the file',
  422: 'bad values, one entry each',
  429: 'rate limit, quota or queue depth',
  431: 'request line and headers exceed 16 kB',
  503: 'temporarily unavailable',
};

const problem = (description: string) => ({ description, content: { 'application/problem+json': { schema: ProblemSchema } } });

function refusalsOf(route: Route): string[] {
  const always = ['400', '401', '422', '429', '503', '413', '415', '431'];
  if (route.rights !== 'user') always.push('403');
  if (route.params) always.push('404');
  if (route.method !== 'get') always.push('409', '403', '404');
  if (route.response.download) always.push('416');
  return [...new Set(always)].sort();
}

function successOf({ response, summary }: Route): ZodOpenApiResponsesObject[`${1 | 2}${string}`] {
  const json = response.schema === null ? {} : { 'application/json': { schema: response.schema } };
  const streams = [...(response.stream === undefined ? [] : [response.stream]), ...(response.download ?? [])];
  const stream = Object.fromEntries(streams.map((type) => [type, { schema: z.string() }]));
  const content = { ...json, ...stream };
  return Object.keys(content).length === 0 ? { description: summary } : { description: summary, content };
}

const alsoOf = ({ also, summary }: Route): ZodOpenApiResponsesObject =>
  also ? { [also.status]: { description: summary, content: { 'application/json': { schema: also.schema } } } } : {};

function requestBodyOf({ body, raw_body }: Route): Pick<ZodOpenApiOperationObject, 'requestBody'> {
  if (raw_body)
    return { requestBody: { required: true, content: Object.fromEntries(raw_body.types.map((type) => [type, { schema: z.string() }])) } };
  if (!body) return {};
  return { requestBody: { required: !body.safeParse(undefined).success, content: { 'application/json': { schema: body } } } };
}

function operationOf(route: Route): ZodOpenApiOperationObject {
  const { params, query, headers, response } = route;
  const requestParams = Object.fromEntries(
    Object.entries({ path: params, query, header: headers }).filter(([, schema]) => schema !== undefined),
  ) as ZodOpenApiOperationObject['requestParams'];
  const refusals = Object.fromEntries(refusalsOf(route).map((status) => [status, problem(REFUSALS[status] ?? '')]));
  return {
    operationId: route.id,
    summary: route.summary,
    tags: route.tags,
    security: [{ api_key: [] }],
    'x-rights': route.rights,
    requestParams,
    ...requestBodyOf(route),
    responses: { [response.status]: successOf(route), ...alsoOf(route), ...refusals },
  };
}

/** The OpenAPI 3.1 document, made from the same list that is served. */
export function openApiDocument(routes: readonly Route[]) {
  const paths: ZodOpenApiPathsObject = {};
  for (const route of routes) {
    const path = `/api/v1${route.path}`;
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return createDocument({
    openapi: '3.1.1',
    info: {
      title: 'Task orchestrator',
      version: '1.0.0',
      description:
        'Submit tasks, follow them, run the queues, pools and workers behind them. Times are UTC, CPU is in cores, memory in MB, durations in seconds.',
    },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.flatMap((route) => route.tags))].map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { api_key: { type: 'http', scheme: 'bearer', description: 'API key: eng_<id>_<secret>' } },
    },
  });
}
