import { checkList } from '../../api/check.ts';
import type { ApiClient, Result } from '../../api/client.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { unknownCheck } from '../scan/known.ts';

/**
 * What is wrong with the name of a check, without asking a collector: it is in an area of Plimsoll but no check has it, or
 * it is close to the name of one. Any other name may be that of a custom check.
 */
export function misspelledCheck(word: string): string | undefined {
  const problem = unknownCheck(word, CHECKS);
  const [area = ''] = word.split('.', 1);
  const isOwnArea = word.includes('.') && unknownCheck(area, CHECKS) === undefined;
  return isOwnArea || problem?.includes('did you mean') === true ? problem : undefined;
}

/**
 * The names of checks and areas as the API and its events know them: an area of custom checks is replaced by its checks,
 * which the collector lists.
 */
export async function resolveChecks(client: ApiClient, words: readonly string[]): Promise<Result<readonly string[]>> {
  const areas = words.filter((word) => !word.includes('.') && unknownCheck(word, CHECKS) !== undefined);
  if (areas.length === 0) return { ok: true, value: words };
  const list = await client.get('/v1/checks', checkList);
  if (!list.ok) return list;
  const { checks } = list.value;
  for (const area of areas) {
    const message = unknownCheck(area, checks);
    if (message !== undefined)
      return { ok: false, problem: { kind: 'refused', message, hint: 'see: plimsoll checks', retryAfterMs: 0 } };
  }
  const idsOf = (area: string): readonly string[] =>
    checks.map(({ id }) => id).filter((id) => id.startsWith(`${area}.`));
  return { ok: true, value: words.flatMap((word) => (areas.includes(word) ? idsOf(word) : [word])) };
}
