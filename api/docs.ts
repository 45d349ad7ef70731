import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type RequestHandler, Router } from 'express';
import type { Route } from './define-route.ts';
import { openApiDocument } from './openapi.ts';
import { localsOf } from './request-log.ts';

const ASSETS: Record<string, string> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Task orchestrator: REST API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#api', deepLinking: true, validatorUrl: null, persistAuthorization: false, tryItOutEnabled: true });
`;

/** Everything comes from this server; the page's own styles need 'unsafe-inline', its icons are data: URLs. */
const POLICY = [
  `default-src 'none'`,
  `script-src 'self'`,
  `style-src 'self' 'unsafe-inline'`,
  `img-src 'self' data:`,
  `connect-src 'self'`,
  `base-uri 'none'`,
  `form-action 'none'`,
  `frame-ancestors 'none'`,
].join('; ');

/** The OpenAPI document and a page that shows it, without any other server. */
export function docsRouter(routes: readonly Route[]): Router {
  const router = Router({ strict: true });
  const document = JSON.stringify(openApiDocument(routes));
  const require = createRequire(import.meta.url);
  const folder = path.dirname(require.resolve('swagger-ui-dist/package.json'));
  router.get('/api/v1/openapi.json', text('application/json; charset=utf-8', document));
  router.get('/api/v1/docs', text('text/html; charset=utf-8', PAGE));
  router.get('/api/v1/docs/', (_req, res) => res.redirect(308, '../docs'));
  router.get('/api/v1/docs/start.js', text('text/javascript; charset=utf-8', START));
  for (const [name, type] of Object.entries(ASSETS)) router.get(`/api/v1/docs/${name}`, asset(path.join(folder, name), type));
  return router;
}

function text(type: string, content: string): RequestHandler {
  return (_req, res) => {
    localsOf(res).route = '/docs';
    res.set({ 'Content-Type': type, 'Content-Security-Policy': POLICY }).send(content);
  };
}

function asset(file: string, type: string): RequestHandler {
  return async (_req, res) => {
    localsOf(res).route = '/docs';
    res.set({ 'Content-Type': type, 'Cache-Control': 'public, max-age=3600' }).send(await readFile(file));
  };
}
