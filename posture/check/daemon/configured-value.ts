import type { EngineSettings } from '../../fact/docker.ts';
import { isoTime, quote, quoteList } from '../evidence-text.ts';

/** A setting of dockerd by its long flag and its key in daemon.json. */
export interface SettingName {
  readonly flag: string;
  /** If it differs from the flag: lists are plural in the file. */
  readonly key?: string;
  /** Converts a value of the file to values of the flag; without it, a scalar is one value and a list several. */
  readonly fromFile?: (value: unknown) => readonly string[];
}

/**
 * The configured value of one setting. `doubt` says why the running daemon may have another value; it is empty for a
 * flag of its process, and for a file that is older than the process.
 */
export type ConfiguredValue =
  | {
      readonly known: true;
      readonly origin: 'flag' | 'file' | 'default';
      readonly values: readonly string[];
      readonly source: string;
      readonly seen: string;
      readonly doubt: string;
    }
  | { readonly known: false; readonly reason: string };

/** Where dockerd is configured. */
type Configuration = Pick<EngineSettings, 'process' | 'file'>;

/** Start times come from the boot time in whole seconds, and dockerd reads its file after its start. */
export const START_TOLERANCE_MS = 1000;

/**
 * The value from a flag of the process, otherwise from daemon.json, otherwise the built-in one (`whenUnset`; null where
 * dockerd chooses it at start). dockerd does not start with a setting in both.
 */
export function configuredValueOf(
  docker: Configuration,
  name: SettingName,
  whenUnset: readonly string[] | null,
): ConfiguredValue {
  const { process, file } = docker;
  const flags = process.state === 'seen' ? process.value.flags : {};
  const flagValues = Object.hasOwn(flags, name.flag) ? flags[name.flag] : undefined;
  if (process.state === 'seen' && flagValues !== undefined)
    return {
      known: true,
      origin: 'flag',
      values: flagValues,
      source: commandLine(process.value.pid),
      seen: quote(flagValues.map((value) => `--${name.flag}=${value}`).join(' ')),
      doubt: '',
    };

  if (file.state === 'unreadable') return { known: false, reason: `${file.source}: ${file.reason}` };
  const key = name.key ?? name.flag;
  if (file.state === 'seen' && Object.hasOwn(file.value.keys, key)) {
    const value = file.value.keys[key];
    const values = name.fromFile?.(value) ?? valuesOf(value);
    return {
      known: true,
      origin: 'file',
      values,
      source: file.value.path,
      // If only a part of the value was read, only that part is shown: the rest may contain a token.
      seen: name.fromFile === undefined ? quote(`"${key}": ${text(value)}`) : `"${key}": ${quoteList(values)}`,
      doubt: fileDoubt(docker),
    };
  }

  if (process.state !== 'seen') return { known: false, reason: processReason(docker) };
  if (whenUnset === null) return { known: false, reason: `neither the flags of dockerd nor daemon.json set ${key}` };
  return {
    known: true,
    origin: 'default',
    values: whenUnset,
    source: `${commandLine(process.value.pid)}, ${file.state === 'seen' ? file.value.path : file.source}`,
    seen: `${name.flag} is not set (default: ${quoteList(whenUnset)})`,
    doubt: fileDoubt(docker),
  };
}

/** Both times if daemon.json was modified after the running daemon started; otherwise undefined. */
export function pendingText({ process, file }: Configuration): string | undefined {
  if (process.state !== 'seen' || file.state !== 'seen' || process.value.startedAtMs === 0) return undefined;
  if (file.value.modifiedAtMs <= process.value.startedAtMs + START_TOLERANCE_MS) return undefined;
  const { modifiedAtMs, path } = file.value;
  return `pending restart: ${path} was modified ${isoTime(modifiedAtMs)}, dockerd started ${isoTime(process.value.startedAtMs)}`;
}

/** The last value as a boolean, parsed like Go's `strconv.ParseBool`; undefined where it is not one. */
export function isOn(values: readonly string[]): boolean | undefined {
  const value = values.at(-1);
  if (value === undefined) return undefined;
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(value)) return true;
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(value) ? false : undefined;
}

/** Why the process of dockerd could not be read. */
export function processReason({ process }: Pick<EngineSettings, 'process'>): string {
  return process.state === 'unreadable'
    ? `${process.source}: ${process.reason}`
    : `${process.source}: no dockerd process is visible`;
}

/** `/proc/812/cmdline` */
export function commandLine(pid: number): string {
  return `/proc/${String(pid)}/cmdline`;
}

function fileDoubt(docker: Configuration): string {
  if (docker.process.state !== 'seen')
    return `it is unknown whether the running daemon was started with this file: ${processReason(docker)}`;
  return pendingText(docker) ?? '';
}

function valuesOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.map(scalar);
  return value === null || value === undefined ? [] : [scalar(value)];
}

function scalar(value: unknown): string {
  return typeof value === 'string' ? value : text(value);
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? 'undefined';
}
