import { createHash } from 'node:crypto';
import { pathToNative } from '../host/native-path.ts';
import { isRuntimeOperation } from './recorded-result.ts';
import type { Operation } from './recorded-result.ts';

// A name may have 255 bytes and a path 4,096 (limits.h); a recording may be unpacked below a long path.
const MAX_NAME_LENGTH = 200;
const MAX_PATH_LENGTH = 2048;

/**
 * Path of the content of a result within a recording: `host/etc/os-release`, `runtime/inspectContainer/0af3….json`.
 * Letters, digits and a few signs stay, all else is `%XX`, so no name means anything to a file system or a terminal.
 */
export function contentPath(op: Operation, target: string): string {
  const top = isRuntimeOperation(op) ? 'runtime' : 'host';
  const names = isRuntimeOperation(op)
    ? [op, ...(target === '' ? [] : [target.replaceAll('/', '%2F')])]
    : target.split('/');
  const path = [top, ...names.filter((name) => name !== '').map(safeName)].join('/');
  if (path.length > MAX_PATH_LENGTH) return spareContentPath(op, target);
  return top === 'runtime' ? `${path}.json` : path;
}

/** A path that {@link contentPath} never returns, for content whose own path is taken. */
export function spareContentPath(op: Operation, target: string): string {
  return `%other/${digest(`${op} ${target}`)}`;
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
