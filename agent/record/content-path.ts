import { createHash } from 'node:crypto';
import { pathToNative } from '../host/native-path.ts';
import { isOfRuntime } from './recording-buffer.ts';
import type { Question } from './answer.ts';

// A name may have 255 bytes and a path 4,096 (limits.h); a recording may be unpacked below a long path.
const MAX_NAME_LENGTH = 200;
const MAX_PATH_LENGTH = 2048;

/**
 * Where in a recording the content of an answer stands: `host/etc/os-release`, `runtime/inspectContainer/0af3….json`.
 * Letters, digits and a few signs stay, all else is `%XX`, so no name means anything to a file system or a terminal.
 */
export function contentPath(ask: Question, of: string): string {
  const top = isOfRuntime(ask) ? 'runtime' : 'host';
  const names = isOfRuntime(ask) ? [ask, ...(of === '' ? [] : [of.replaceAll('/', '%2F')])] : of.split('/');
  const path = [top, ...names.filter((name) => name !== '').map(safeName)].join('/');
  if (path.length > MAX_PATH_LENGTH) return spareContentPath(ask, of);
  return top === 'runtime' ? `${path}.json` : path;
}

/** A place that no path of {@link contentPath} can be, for content whose own place is taken. */
export function spareContentPath(ask: Question, of: string): string {
  return `%other/${digest(`${ask} ${of}`)}`;
}

function safeName(name: string): string {
  if (name === '.' || name === '..') return name.replaceAll('.', '%2E');
  const native = pathToNative(name);
  const bytes = typeof native === 'string' ? Buffer.from(native) : native;
  const safe = bytes.toString('latin1').replaceAll(/[^A-Za-z0-9._+,:@=-]/g, percent);
  return safe.length > MAX_NAME_LENGTH ? `%long-${digest(name)}` : safe;
}

const percent = (character: string): string =>
  `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);
