import { redactJson } from '../../../posture/redaction/redact.ts';

/** What the content of daemon.json is, or what is wrong with it. */
export type ParsedDaemonJson =
  | { readonly ok: true; readonly keys: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly problem: string };

/** The keys that checks read, and those that say where files and ports are. Others may hold credentials. */
const KEPT = [
  'allow-direct-routing',
  'authorization-plugins',
  'bridge',
  'cgroup-parent',
  'containerd',
  'data-root',
  'debug',
  'default-cgroupns-mode',
  'default-ipc-mode',
  'default-runtime',
  'default-ulimits',
  'exec-opts',
  'exec-root',
  'experimental',
  'features',
  'firewall-backend',
  'group',
  'hosts',
  'icc',
  'init',
  'insecure-registries',
  'ip',
  'ip6tables',
  'iptables',
  'ipv6',
  'live-restore',
  'log-driver',
  'log-level',
  'metrics-addr',
  'no-new-privileges',
  'pidfile',
  'raw-logs',
  'seccomp-profile',
  'selinux-enabled',
  'storage-driver',
  'storage-opts',
  'tls',
  'tlscacert',
  'tlscert',
  'tlskey',
  'tlsverify',
  'userland-proxy',
  'userns-remap',
] as const;

/** Where log drivers send logs to. */
const LOG_ADDRESSES: ReadonlySet<string> = new Set([
  'awslogs-endpoint',
  'fluentd-address',
  'gelf-address',
  'splunk-url',
  'syslog-address',
]);

/**
 * daemon.json, dockerd(8): one JSON object in UTF-8 (a byte order mark is allowed), keys named like the long flags,
 * those of repeatable flags in the plural. An empty file means no setting.
 */
export function parseDaemonJson(bytes: Uint8Array): ParsedDaemonJson {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { ok: false, problem: 'it is not UTF-8' };
  }
  if (text.trim() === '') return { ok: true, keys: {} };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ok: false, problem: `it is not JSON: ${place(text, error)}` };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { ok: false, problem: 'it is not a JSON object' };
  return { ok: true, keys: keptKeys(value as Readonly<Record<string, unknown>>) };
}

function keptKeys(file: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const keys: Record<string, unknown> = {};
  for (const key of KEPT) if (Object.hasOwn(file, key)) keys[key] = redactJson(file[key]);
  // Of the options of log drivers only the addresses: others are tokens.
  const options = Object.hasOwn(file, 'log-opts') ? file['log-opts'] : undefined;
  if (typeof options === 'object' && options !== null) {
    const addresses = Object.entries(options).filter(([name]) => LOG_ADDRESSES.has(name));
    if (addresses.length > 0) keys['log-opts'] = redactJson(Object.fromEntries(addresses));
  }
  return keys;
}

/** Where the parser stopped, if it says so: its own words would quote the file, and so perhaps a secret. */
function place(text: string, error: unknown): string {
  const message = error instanceof Error ? error.message : '';
  if (message.startsWith('Unexpected end') || message.startsWith('Unterminated')) return 'it ends too early';
  const position = /at position (\d{1,10})/.exec(message)?.[1];
  if (position === undefined) return 'unexpected character';
  const before = text.slice(0, Number(position)).split('\n');
  return `unexpected character in line ${String(before.length)}, column ${String((before.at(-1) ?? '').length + 1)}`;
}
