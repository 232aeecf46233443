import { seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import { clip } from '../clip.ts';
import type { KubeletFlags } from './command-line.ts';
import { ownField } from './config-file.ts';
import { FIELDS, FLAGS_WITHOUT_FIELD } from './fields.ts';
import type { Field } from './fields.ts';
import { compareKeys } from '../../../posture/text-order.ts';

/** The layers of a configuration, from the one that yields to the one that decides. */
export interface ConfigurationLayers {
  /** The file of `--config`; undefined: the kubelet was started without one. */
  readonly file: ConfigurationFile | undefined;
  /** The files of `--config-dir` in their order. */
  readonly dropIns: readonly ConfigurationFile[];
  readonly flags: KubeletFlags;
  /** Why there may be files that are not known; what they decide is not known then. */
  readonly unread: { readonly source: string; readonly reason: string } | undefined;
  /** Minor version of the kubelet, `33` of 1.33; undefined: not known. */
  readonly minor: number | undefined;
}

/** A file that was read. */
export interface ConfigurationFile {
  readonly path: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A value as text, a value that the kubelet would not accept, or no value. */
type Value =
  | { readonly kind: 'value'; readonly text: string; readonly entries?: ReadonlyMap<string, string> }
  | { readonly kind: 'invalid'; readonly problem: string }
  /** A zero that the kubelet replaces by the default of v1beta1, whatever was set before. */
  | { readonly kind: 'preset' }
  | { readonly kind: 'unset' };

const UNSET: Value = Object.freeze({ kind: 'unset' });
const MAX_TEXT = 16_384;

/**
 * The effective settings, each with the layer that decides it. Files of `--config-dir` are merged as JSON merge patches
 * (RFC 7396): maps are joined, lists replaced. A flag wins over all files; of a repeated one the last occurrence.
 */
export function effectiveSettings(layers: ConfigurationLayers): Record<string, Observed<string>> {
  const settings: Record<string, Observed<string>> = {};
  for (const field of FIELDS) settings[field.path] = effectiveField(field, layers);
  for (const [flag, preset] of Object.entries(FLAGS_WITHOUT_FIELD)) {
    const value = layers.flags.get(flag)?.at(-1);
    settings[`--${flag}`] = value === undefined ? seen(preset, 'default') : seen(value, `--${flag}`);
  }
  return settings;
}

function effectiveField(field: Field, layers: ConfigurationLayers): Observed<string> {
  const { flags, file, dropIns } = layers;
  const unread = layers.unread ?? unclearMerge(layers);
  const given = field.flag === undefined ? undefined : flags.get(field.flag);
  // Either of them switches it on; the flag alone cannot switch it off.
  const isEither = field.path === 'seccompDefault';
  const flag = given === undefined ? UNSET : flagValue(field, given);
  const source = `--${field.flag ?? ''}`;
  if (flag.kind === 'invalid') return unreadable(source, flag.problem);
  const isDecided = flag.kind === 'value' && field.path !== 'featureGates' && !(isEither && flag.text === 'false');
  if (isDecided) return seen(clip(flag.text, MAX_TEXT), source);
  if (unread !== undefined) return unreadable(unread.source, unread.reason);
  let current: Observed<string> | undefined;
  // Drop-ins add to the default thresholds, the file replaces them.
  let entries = field.path === 'evictionHard' ? entriesOf(field.preset) : new Map<string, string>();
  for (const { path, fields } of [...(file === undefined ? [] : [file]), ...dropIns]) {
    const value = fileValue(field, fields, { isDropIn: path !== file?.path, minor: layers.minor });
    if (value.kind === 'invalid') return unreadable(path, value.problem);
    if (value.kind === 'unset') continue;
    if (value.kind === 'preset') {
      current = seen(field.preset, path);
      continue;
    }
    if (value.entries !== undefined) {
      const isReplaced = path === file?.path && ownField(fields, 'mergeDefaultEvictionSettings') !== true;
      entries = new Map([...(isReplaced ? [] : entries), ...value.entries]);
    }
    const text = value.entries === undefined ? value.text : joinEntries(entries);
    current = seen(clip(text, MAX_TEXT), path);
  }
  if (flag.kind === 'value' && flag.entries !== undefined)
    return seen(clip(joinEntries(new Map([...entries, ...flag.entries])), MAX_TEXT), source);
  return current ?? presetOf(field, layers);
}

/** 1.28, the first release with drop-ins, merges what they do not set as well. */
function unclearMerge({ dropIns: [first], minor }: ConfigurationLayers): ConfigurationLayers['unread'] {
  return first === undefined || minor !== 28
    ? undefined
    : { source: first.path, reason: 'Kubernetes 1.28 also merges fields that a drop-in does not set' };
}

/** Since 1.27 the kubelet sends 50 events a second, before that 5. */
const EVENT_RATE_CHANGED_IN = 27;

function presetOf({ path, preset, legacyPreset }: Field, { file, minor }: ConfigurationLayers): Observed<string> {
  if (path === 'eventRecordQPS')
    return minor === undefined
      ? unreadable('default', '5 before Kubernetes 1.27, 50 since: the version of the kubelet is not known')
      : seen(minor < EVENT_RATE_CHANGED_IN ? '5' : '50', 'default');
  // Without --config the older defaults hold, with --config-dir too.
  return file === undefined && legacyPreset !== undefined
    ? seen(legacyPreset, 'default without --config')
    : seen(preset, 'default');
}

function flagValue(field: Field, given: readonly string[]): Value {
  const last = given.at(-1) ?? '';
  switch (field.type) {
    case 'boolean': {
      // strconv.ParseBool of Go.
      if (/^(?:1|t|T|true|TRUE|True)$/.test(last)) return { kind: 'value', text: 'true' };
      return /^(?:0|f|F|false|FALSE|False)$/.test(last) ? { kind: 'value', text: 'false' } : invalid('a boolean');
    }
    case 'integer':
      return integerValue(last);
    case 'list':
      return listValue(given);
    case 'map': {
      const pairs = given.flatMap((value) => value.split(',')).filter((pair) => pair.trim() !== '');
      const entries = new Map(pairs.map((pair) => splitPair(pair, field.path === 'evictionHard' ? '<' : '=')));
      return { kind: 'value', text: joinEntries(entries), entries };
    }
    case 'duration':
    case 'text':
      return { kind: 'value', text: last };
  }
}

function splitPair(pair: string, separator: string): readonly [string, string] {
  const at = pair.indexOf(separator);
  return at === -1 ? [pair.trim(), ''] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
}

function fileValue(
  field: Field,
  fields: Readonly<Record<string, unknown>>,
  place: { readonly isDropIn: boolean; readonly minor: number | undefined },
): Value {
  const { isDropIn } = place;
  let value: unknown = fields;
  for (const name of field.path.split('.')) {
    if (value === undefined || value === null) break;
    if (typeof value !== 'object' || Array.isArray(value)) return invalid('an object');
    // Drop-ins are merged by a parser that takes keys in any case.
    const other = isDropIn ? otherSpelling(value, name) : undefined;
    if (other !== undefined) return { kind: 'invalid', problem: `the key ${name} is written in another case` };
    value = ownField(value, name);
  }
  if (value === undefined) return UNSET;
  if (value === null)
    return isDropIn ? { kind: 'invalid', problem: `null for ${field.path}: what that leaves is not known` } : UNSET;
  const read = typedValue(field, value);
  return read.kind === 'value' && field.zeroIsUnset === true && isZero(read.text) ? zeroOf(read, place) : read;
}

/** Defaults are filled in after the file, and since 1.32 again after all drop-ins (kubernetes/kubernetes#127421). */
const DROP_INS_GET_DEFAULTS_IN = 32;

function zeroOf(
  zero: Value,
  { isDropIn, minor }: { readonly isDropIn: boolean; readonly minor: number | undefined },
): Value {
  if (!isDropIn) return UNSET;
  if (minor === undefined)
    return {
      kind: 'invalid',
      problem: 'zero in a drop-in is the default since Kubernetes 1.32: the version is not known',
    };
  return minor < DROP_INS_GET_DEFAULTS_IN ? zero : { kind: 'preset' };
}

function otherSpelling(value: object, name: string): string | undefined {
  return Object.keys(value).find((key) => key !== name && key.toLowerCase() === name.toLowerCase());
}

function typedValue({ type, path }: Field, value: unknown): Value {
  switch (type) {
    case 'boolean':
      return typeof value === 'boolean' ? { kind: 'value', text: String(value) } : invalid('a boolean', path);
    case 'integer':
      return typeof value === 'number' && Number.isSafeInteger(value)
        ? { kind: 'value', text: String(value) }
        : invalid('an integer', path);
    case 'list':
      return Array.isArray(value) && value.every((item) => typeof item === 'string')
        ? { kind: 'value', text: value.join(',') }
        : invalid('a list of texts', path);
    case 'map': {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return invalid('a map', path);
      const entries = new Map(Object.entries(value).map(([key, entry]) => [key, scalarText(entry)]));
      return { kind: 'value', text: joinEntries(entries), entries };
    }
    case 'duration':
    case 'text':
      return typeof value === 'string' ? { kind: 'value', text: value } : invalid('a text', path);
  }
}

function scalarText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** The items of a list flag, one line of comma-separated values each (RFC 4180): `"A,B",C`. */
function listValue(given: readonly string[]): Value {
  const items: string[] = [];
  for (const line of given) {
    if (!/^(?:"(?:[^"]|"")*"|[^",]*)(?:,(?:"(?:[^"]|"")*"|[^",]*))*$/.test(line)) return invalid('a list of texts');
    for (const [item] of line.matchAll(/"(?:[^"]|"")*"|[^",]+/g))
      items.push(item.startsWith('"') ? item.slice(1, -1).replaceAll('""', '"') : item);
  }
  return { kind: 'value', text: items.join(',') };
}

/** strconv.ParseInt of Go with base 0: `0x10`, `0b1`, `0o7` and `07` too. */
function integerValue(text: string): Value {
  const [, sign = '', digits = ''] =
    /^([+-]?)(0x[\da-f]{1,12}|0b[01]{1,48}|0o?[0-7]{1,16}|0|[1-9]\d{0,14})$/i.exec(text) ?? [];
  if (digits === '') return invalid('an integer');
  const value = Number(digits.replace(/^0(?=[0-7])/, '0o'));
  return { kind: 'value', text: String(sign === '-' && value !== 0 ? -value : value) };
}

const invalid = (expected: string, path = 'its value'): Value => ({
  kind: 'invalid',
  problem: `${path} is not ${expected}`,
});

/** `0`, `0s`, `0h0m`, and no text. */
const isZero = (text: string): boolean => /^[+-]?(?:0+(?:\.0*)?(?:[a-zµ]+|$))*$/.test(text);

const entriesOf = (text: string): Map<string, string> => new Map(text.split(',').map((pair) => splitPair(pair, '=')));

/** Sorted, so that the order of a file does not count: `a=1,b=2`. */
function joinEntries(entries: ReadonlyMap<string, string>): string {
  return [...entries]
    .sort(compareKeys)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
