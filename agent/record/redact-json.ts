import { REDACTED } from '../../posture/fact/image.ts';
import { redactSecrets } from '../inspector/redact.ts';
import { isSecretName, redactText, redactWords } from './redact.ts';

/** Nothing that an engine answers is nested deeper; what is, comes from someone who wants to exhaust a stack. */
const MAX_DEPTH = 64;

/**
 * Stands where only the recording takes something out and the fact would not: the check of build steps counts the other
 * mark, and must judge a recorded image like a live one.
 */
const REMOVED = '[removed]';

/** A JSON value with the secrets in it replaced, by the name that they stand under and by their form. */
export function redactJson(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) return REDACTED;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    if (items.every((item) => typeof item === 'string')) return redactWords(items);
    return items.map((item) => redactJson(item, depth + 1));
  }
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [
    redactText(key),
    redactMember(key, item, depth + 1),
  ]);
  // From entries, and not by assignment: a key such as __proto__ is a key.
  return Object.fromEntries(entries);
}

function redactMember(key: string, value: unknown, depth: number): unknown {
  if (key.toLowerCase() === 'env' && Array.isArray(value)) return value.map(redactVariable);
  if (typeof value !== 'string') return redactJson(value, depth);
  if (key === 'CreatedBy') return redactText(redactSecrets(value), REMOVED);
  return value !== '' && isSecretName(key) ? REDACTED : redactText(value);
}

/** `NAME=value`: no value of a container's environment is ever read by this program. */
function redactVariable(entry: unknown): unknown {
  if (typeof entry !== 'string') return REDACTED;
  const equals = entry.indexOf('=');
  return equals === -1 ? redactText(entry) : `${redactText(entry.slice(0, equals))}=${REDACTED}`;
}
