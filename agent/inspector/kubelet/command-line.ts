import { clip } from '../clip.ts';

/** Flags by long name with `-` between words, every value in order. */
export type KubeletFlags = ReadonlyMap<string, readonly string[]>;

const MAX_FLAGS = 512;
const MAX_VALUES = 64;
const MAX_VALUE_LENGTH = 16_384;

/**
 * The flags on a command line of the kubelet, `args` without the program. The grammar is that of Go's pflag:
 * `--name=value`, `--name value`, `--switch`; `_` in a name means `-`, and `--` ends it. A running kubelet has no other
 * arguments, since it refuses to start with any: a word behind a flag without `=` is the value of that flag.
 */
export function parseKubeletFlags(args: readonly string[]): KubeletFlags {
  const flags = new Map<string, string[]>();
  const add = (name: string, value: string): void => {
    const values = flags.get(name);
    if (values === undefined && flags.size < MAX_FLAGS) flags.set(name, [clip(value, MAX_VALUE_LENGTH)]);
    // The last occurrence decides: of too many the first are left out.
    else if (values !== undefined)
      values.splice(Math.min(values.length, MAX_VALUES - 1), 1, clip(value, MAX_VALUE_LENGTH));
  };
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? '';
    if (arg === '--') break;
    if (!arg.startsWith('--')) continue;
    const equals = arg.indexOf('=');
    const name = clip((equals === -1 ? arg.slice(2) : arg.slice(2, equals)).replaceAll('_', '-'), 256);
    if (equals !== -1) {
      add(name, arg.slice(equals + 1));
      continue;
    }
    const next = args[index + 1];
    // A number below zero is a value too: --pod-max-pids -1.
    const isValue = next !== undefined && (!next.startsWith('-') || /^-\d/.test(next));
    if (isValue) index += 1;
    add(name, isValue ? next : 'true');
  }
  return flags;
}
