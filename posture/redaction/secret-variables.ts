import { absent, seen, unreadable } from '../observed.ts';
import type { Observed } from '../observed.ts';
import { findSecrets } from './find-secrets.ts';
import { redactText } from './redact.ts';
import { isHarmlessValue, secretNameKind } from './secret-name.ts';

/** Longest name that is kept. */
export const MAX_VARIABLE_NAME = 256;
/** Names that are kept. */
export const MAX_SECRET_VARIABLES = 256;
/** Characters of an environment that is looked at: execve(2) of Linux takes 2 MiB of arguments and environment at most. */
const MAX_CHARACTERS = 2 * 1024 * 1024;

/**
 * Names of the variables whose value is a secret by its name or form, sorted, each once, as a build step would be judged.
 * `environment` holds entries `NAME=value`; null: the image has none. No value is kept.
 */
export function secretVariables(environment: readonly string[] | null, source: string): Observed<readonly string[]> {
  if (environment === null) return absent(source);
  const characters = environment.reduce((sum, entry) => sum + entry.length, 0);
  if (characters > MAX_CHARACTERS) return unreadable(source, 'the environment is longer than 2 MiB');
  const names = environment.filter(holdsSecret).map((entry) => {
    const [name = ''] = entry.split('=', 1);
    // Whoever forgets the name writes the secret where the name is.
    return redactText(name).slice(0, MAX_VARIABLE_NAME).toWellFormed();
  });
  return seen([...new Set(names)].sort().slice(0, MAX_SECRET_VARIABLES), source);
}

function holdsSecret(entry: string): boolean {
  const equals = entry.indexOf('=');
  if (equals < 0) return findSecrets(entry).length > 0;
  const [name, value] = [entry.slice(0, equals), entry.slice(equals + 1)];
  const kind = secretNameKind(name);
  return (kind !== undefined && !isHarmlessValue(value, kind, true)) || findSecrets(entry).length > 0;
}
