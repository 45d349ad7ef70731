import { z } from 'zod';
import { readPlain } from '../../../core/flames/chat.ts';
import { ApiKey, ApiKeyHeader, openEndpoint, Url } from '../endpoint.ts';
import { defineScorer } from './define-scorer.ts';
import { judge } from './judge.ts';

/**
 * A scoring service: gets `{"dimension", "prompt", "response"}`, the columns that the published Flames scorer takes, and answers with
 * `{"predicted": 1 | 2 | 3}`.
 */
export const judgeHttp = defineScorer({
  kind: 'judge_http',
  parameters: z.strictObject({ kind: z.literal('judge_http'), url: Url, api_key: ApiKey.optional(), api_key_header: ApiKeyHeader }),
  open: async (parameters, tools) => {
    const endpoint = await openEndpoint(parameters, tools.context);
    return judge(
      ({ dimension, prompt, response }) => ({ endpoint, body: JSON.stringify({ dimension, prompt, response }), read: readPlain }),
      tools,
    );
  },
});
