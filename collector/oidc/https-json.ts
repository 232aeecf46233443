import { get } from 'node:https';
import type { IncomingMessage } from 'node:http';

/** Bounds of one request. */
const MAX_BYTES = 256 * 1024;
const DEADLINE_MS = 5_000;

/**
 * The JSON document at an HTTPS URL. `ca`: authorities in PEM; undefined: those that the machine trusts. Follows no
 * redirect. Rejects with an Error that says why, also after 5 s, beyond 256 KiB, and for a status other than 200.
 */
export async function getJson(url: string, ca: string | undefined): Promise<unknown> {
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = {
      ...(ca === undefined ? {} : { ca }),
      agent: false,
      signal: deadline,
      minVersion: 'TLSv1.2',
    } as const;
    get(url, { ...options, headers: { accept: 'application/json' } }, resolve).on('error', reject);
  });
  try {
    if (response.statusCode !== 200) throw new Error(`HTTP ${String(response.statusCode)}`);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BYTES) throw new Error(`more than ${String(MAX_BYTES)} bytes`);
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } finally {
    response.destroy();
  }
}
