import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { COMMAND_NAMES } from './command/registry.ts';

/** How the program was started. */
export interface Started {
  /** The script as it was typed, made absolute. */
  readonly script: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
}

/**
 * What to type to run the program again: `plimsoll` if that is on the PATH, `npx plimsoll` if npm started it, otherwise
 * the path of the script.
 */
export function describeInvocation({ script, environment, workingDirectory }: Started): string {
  const real = realPathOf(script);
  const onPath = (environment['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'plimsoll'));
  // npm puts its own directories on the PATH of what it starts.
  const isFromNpm = environment['npm_command'] !== undefined;
  if (!isFromNpm && onPath.some((path) => isExecutable(path) && realPathOf(path) === real)) return 'plimsoll';
  if (isFromNpm) return 'npx plimsoll';
  const path = relative(workingDirectory, script);
  return path.startsWith('..') ? script : `./${path}`;
}

const COMMAND_LINE = new RegExp(`(?<![\\w./-])plimsoll (?=(?:${COMMAND_NAMES.join('|')})\\b)`, 'g');

/** `text` with each `plimsoll COMMAND` as this program was started. */
export function asTyped(text: string, invocation: string): string {
  return invocation === 'plimsoll' ? text : text.replaceAll(COMMAND_LINE, () => `${invocation} `);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
