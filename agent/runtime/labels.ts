import { redactJson } from '../../posture/redaction/redact.ts';
import { MAX_LABELS } from '../../posture/fact/container.ts';
import { OMITTED } from '../../posture/redaction/secret-name.ts';
import * as s from '../../posture/schema.ts';
import { replyFailure } from './runtime.ts';
import type { Reply } from './runtime.ts';

/** UTF-16 units. Of all labels together: redaction runs in the agent's main thread. */
const MAX_NAME = 256;
const MAX_VALUE = 1024;
const MAX_TOTAL = 8 * 1024;

const labelsSchema = s.record(s.string(), '', MAX_LABELS);

/**
 * The labels of a container with secrets redacted by name and form. Values of more than 1,024 characters are `[omitted]`.
 * Whoever starts a container chooses its labels: what exceeds the bounds fails for this container only.
 */
export function parseLabels(labels: unknown, source: string): Reply<Readonly<Record<string, string>>> {
  const parsed = labelsSchema.parse(labels);
  if (!parsed.ok) return replyFailure('malformed', `labels: ${parsed.problem}`, source);
  const entries = Object.entries(parsed.value).map(
    ([name, value]) => [name, value.length > MAX_VALUE ? OMITTED : value] as const,
  );
  if (entries.some(([name]) => name.length > MAX_NAME))
    return replyFailure('tooLarge', `the name of a label has more than ${String(MAX_NAME)} characters`, source);
  if (entries.reduce((sum, [name, value]) => sum + name.length + value.length, 0) > MAX_TOTAL)
    return replyFailure('tooLarge', `the labels have more than ${String(MAX_TOTAL)} characters`, source);
  return { ok: true, value: redactJson(Object.fromEntries(entries)) as Readonly<Record<string, string>>, source };
}
