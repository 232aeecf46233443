import { redactText } from '../../../posture/redaction/redact.ts';
import { isSecretName, REDACTED } from '../../../posture/redaction/secret-name.ts';
import { clip } from '../clip.ts';

/** Flags of dockerd by long name, every value in order. */
export type DaemonFlags = Readonly<Record<string, readonly string[]>>;

const MAX_FLAGS = 256;
const MAX_VALUES = 256;
const MAX_VALUE_LENGTH = 1024;

/** One-letter flags of `dockerd --help`; `g` was data-root before Docker 23. */
const SHORT: Readonly<Record<string, string>> = Object.freeze({
  b: 'bridge',
  D: 'debug',
  g: 'data-root',
  G: 'group',
  H: 'host',
  l: 'log-level',
  p: 'pidfile',
  s: 'storage-driver',
  v: 'version',
});

/** Switches: they take a value only behind `=`, so the next word is not theirs. */
const SWITCHES: ReadonlySet<string> = new Set([
  'allow-direct-routing',
  'cri-containerd',
  'debug',
  'disable-legacy-registry',
  'experimental',
  'help',
  'icc',
  'init',
  'ip-forward',
  'ip-forward-no-drop',
  'ip-masq',
  'ip6tables',
  'iptables',
  'ipv6',
  'live-restore',
  'no-new-privileges',
  'raw-logs',
  'rootless',
  'selinux-enabled',
  'tls',
  'tlsverify',
  'userland-proxy',
  'validate',
  'version',
]);

/**
 * The flags on a command line of dockerd, `args` without the program. The grammar is that of Go's pflag:
 * `--name=value`, `--name value`, `--switch`, `-s value`, `-svalue`, `-s=value`, switches joined as `-Dl debug`; `--`
 * ends it. Values that are credentials are redacted.
 */
export function parseDaemonFlags(args: readonly string[]): DaemonFlags {
  const flags = Object.create(null) as Record<string, string[]>;
  let size = 0;
  const add = (name: string, value: string): void => {
    const values = flags[name];
    if (values === undefined) {
      if (size === MAX_FLAGS) return;
      size += 1;
      flags[name] = [keepable(name, value)];
    } else if (values.length < MAX_VALUES) values.push(keepable(name, value));
  };
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? '';
    if (arg === '--') break;
    const read = arg.startsWith('--') ? readLong(arg) : arg.startsWith('-') ? readShort(arg, add) : undefined;
    if (read === undefined) continue;
    if (read.value !== undefined) add(read.name, read.value);
    else {
      index += 1;
      add(read.name, args[index] ?? '');
    }
  }
  return flags;
}

/** A flag; its value is the next word where it has none here. */
interface ReadFlag {
  readonly name: string;
  readonly value: string | undefined;
}

function readLong(arg: string): ReadFlag | undefined {
  const equals = arg.indexOf('=');
  const name = clip(equals === -1 ? arg.slice(2) : arg.slice(2, equals), 256);
  if (name === '') return undefined;
  if (equals !== -1) return { name, value: arg.slice(equals + 1) };
  return { name, value: SWITCHES.has(name) ? 'true' : undefined };
}

/** Adds the switches that are joined before the last letter. */
function readShort(arg: string, add: (name: string, value: string) => void): ReadFlag | undefined {
  for (let position = 1; position < arg.length; position += 1) {
    const name = SHORT[arg.charAt(position)];
    if (name === undefined) return undefined;
    const rest = arg.slice(position + 1);
    if (rest.startsWith('=')) return { name, value: rest.slice(1) };
    if (!SWITCHES.has(name)) return { name, value: rest === '' ? undefined : rest };
    add(name, 'true');
  }
  return undefined;
}

function keepable(name: string, value: string): string {
  // Options of log drivers are `name=value`, and among them are tokens and keys of log services.
  const option = name === 'log-opt' ? value.slice(0, Math.max(0, value.indexOf('='))) : '';
  const kept = option !== '' && isSecretName(option) ? `${option}=${REDACTED}` : redactText(value);
  return clip(kept, MAX_VALUE_LENGTH);
}
