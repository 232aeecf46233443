import { consoleCode } from '../../api/sign-in.ts';
import type { Result } from '../../api/client.ts';
import type { CliClient } from './connect.ts';

/** The address that signs a person in to the console: once, and until `expiresMs`. */
export interface ConsoleLink {
  readonly url: string;
  readonly expiresMs: number;
}

/** Asks the collector for a link. For five minutes it grants what the token grants: it must not get into a log. */
export async function askConsoleLink(client: CliClient): Promise<Result<ConsoleLink>> {
  const answer = await client.post('/v1/console/links', consoleCode, { body: {} });
  if (!answer.ok) return answer;
  const { code, expiresMs } = answer.value;
  return { ok: true, value: { url: `${client.url}/#code=${encodeURIComponent(code)}`, expiresMs } };
}
