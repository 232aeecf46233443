import { open } from 'node:fs/promises';
import type { Settings } from '../../service/config/settings.ts';
import { errorCode } from '../../service/files.ts';
import { createApiClient } from './client.ts';
import type { ApiClient, ApiResult } from './client.ts';
import * as s from '../../posture/schema.ts';

/** A token is 43 characters; what is longer is another file. */
const MAX_TOKEN_BYTES = 1024;

/** A client for the collector that the settings name, with the token that they name. */
export async function connect(settings: Settings, signal: AbortSignal): Promise<ApiResult<ApiClient>> {
  const token = await readToken(settings.tokenFile);
  const address = settings.api;
  if (token.ok) return { ok: true, value: createApiClient({ address, token: token.value, signal }) };
  // No collector is the likelier reason for a missing token, and the more useful thing to hear.
  const health = await createApiClient({ address, token: '', signal }).get('/healthz', s.object({}));
  return !health.ok && health.kind === 'unreachable' ? health : token;
}

async function readToken(path: string): Promise<ApiResult<string>> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_TOKEN_BYTES), 0, MAX_TOKEN_BYTES, 0);
      const token = buffer.toString('latin1', 0, bytesRead).trim();
      return /^[\w\-.~+/=]+$/.test(token) ? { ok: true, value: token } : unusable(path, 'it holds no token');
    } finally {
      await file.close();
    }
  } catch (error) {
    return unusable(path, errorCode(error));
  }
}

function unusable(path: string, reason: string): ApiResult<never> {
  return {
    ok: false,
    kind: 'refused',
    problem: `the operator token could not be read from ${path}: ${reason}`,
    hint:
      reason === 'EACCES'
        ? 'only the user who runs the collector may read it: become that user, or copy the token'
        : 'the collector makes it at its first start; name it with --token-file or --data-dir',
  };
}
