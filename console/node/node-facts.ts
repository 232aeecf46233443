import * as s from '../../posture/schema.ts';

/** What the page asks of a node beside its containers. Null: not there, or not read (then `unread` says why). */
export const nodeFacts = s.object({
  node: s.object({
    virtualization: s.string(),
    effectiveUid: s.integer(),
  }),
  kernel: s.object({
    release: s.string(),
    lsm: s.nullable(s.list(s.string())),
    lockdown: s.nullable(s.string()),
    selinux: s.nullable(s.string()),
    selinuxConfigured: s.nullable(s.string()),
    apparmor: s.nullable(s.boolean()),
    seccompActions: s.nullable(s.list(s.string())),
    secureBoot: s.nullable(s.boolean()),
    moduleSignatureEnforced: s.nullable(s.boolean()),
    cgroupVersion: s.nullable(s.integer()),
    tainted: s.nullable(s.integer()),
    sysctls: s.record(s.nullable(s.string())),
    cpuVulnerabilities: s.nullable(s.record(s.string())),
  }),
  docker: s.object({
    present: s.nullable(s.boolean()),
    endpoint: s.string(),
    api: s.nullable(
      s.object({
        version: s.string(),
        apiVersion: s.string(),
        dataRoot: s.string(),
        storageDriver: s.string(),
        loggingDriver: s.string(),
        cgroupDriver: s.string(),
        defaultRuntime: s.string(),
        securityOptions: s.list(s.object({ name: s.string(), options: s.record(s.string()) })),
        liveRestore: s.boolean(),
        swarm: s.string(),
      }),
    ),
    process: s.nullable(s.object({ pid: s.integer(), uid: s.integer(), startedAtMs: s.integer() })),
    file: s.nullable(s.object({ path: s.string(), modifiedAtMs: s.integer() })),
    bridgeInterContainer: s.nullable(s.boolean()),
  }),
});
/** See {@link nodeFacts}. */
export type NodeFacts = s.Infer<typeof nodeFacts>;

const fieldsOf = (fact: string, names: readonly string[]): string =>
  `{${names.map((name) => `"${name}": ${fact}.${name}`).join(', ')}}`;

const KERNEL = [
  'release',
  'lsm',
  'lockdown',
  'selinux',
  'selinuxConfigured',
  'apparmor',
  'seccompActions',
  'secureBoot',
  'moduleSignatureEnforced',
  'cgroupVersion',
  'tainted',
  'sysctls',
  'cpuVulnerabilities',
];

/** The live query for {@link nodeFacts}. */
export const NODE_EXPRESSION = `{"node": ${fieldsOf('node', ['virtualization', 'effectiveUid'])}, "kernel": ${fieldsOf(
  'kernel',
  KERNEL,
)}, "docker": docker}`;

/** A row of a description: a name, what it is, and whether that is weak. Values may come from outside. */
export interface FactRow {
  readonly name: string;
  readonly value: string;
  /** What is weak about it; empty: nothing, or nobody says. */
  readonly weakness: string;
}

/** The kernel's security state as people read it. `unread` are the lines of the answer. */
export function kernelRows({ kernel }: NodeFacts, unread: readonly string[]): readonly FactRow[] {
  const given = (path: string, value: string | null | undefined, absent: string): string =>
    value ?? reasonOf(unread, path) ?? absent;
  const modules = kernel.lsm?.join(', ');
  return [
    row('security modules', given('kernel.lsm', modules, 'none')),
    row(
      'lockdown',
      given('kernel.lockdown', kernel.lockdown, 'not in this kernel'),
      kernel.lockdown === 'none' ? 'off' : '',
    ),
    row('SELinux', given('kernel.selinux', kernel.selinux, 'off'), pendingSelinux(kernel)),
    row('AppArmor', given('kernel.apparmor', onOff(kernel.apparmor), 'off')),
    row('seccomp', given('kernel.seccompActions', counted(kernel.seccompActions), 'not in this kernel')),
    row(
      'Secure Boot',
      given('kernel.secureBoot', onOff(kernel.secureBoot), 'no UEFI'),
      kernel.secureBoot === false ? 'off' : '',
    ),
    row(
      'module signatures',
      given('kernel.moduleSignatureEnforced', enforced(kernel.moduleSignatureEnforced), 'no modules'),
      kernel.moduleSignatureEnforced === false ? 'not enforced' : '',
    ),
    row(
      'cgroup',
      given(
        'kernel.cgroupVersion',
        kernel.cgroupVersion === null ? null : `version ${String(kernel.cgroupVersion)}`,
        'none',
      ),
    ),
    row('taint', given('kernel.tainted', kernel.tainted === null ? null : String(kernel.tainted), 'not known')),
    row(
      'CPU',
      vulnerabilitySentence(kernel.cpuVulnerabilities),
      isVulnerable(kernel.cpuVulnerabilities) ? 'vulnerable' : '',
    ),
  ];
}

/** The kernel gives the start of a process to the second. As the check daemon.pending-restart. */
const START_TOLERANCE_MS = 1000;

/** The container runtime as people read it. */
export function runtimeRows({ docker }: NodeFacts, unread: readonly string[]): readonly FactRow[] {
  if (docker.api === null) {
    const reason = reasonOf(unread, 'docker.api') ?? reasonOf(unread, 'docker.present');
    return [row('Docker', reason ?? 'there is none on this node')];
  }
  const { api, process, file, endpoint, bridgeInterContainer } = docker;
  const isPending =
    process !== null &&
    file !== null &&
    process.startedAtMs > 0 &&
    file.modifiedAtMs > process.startedAtMs + START_TOLERANCE_MS;
  return [
    row('engine', `Docker ${api.version} (API ${api.apiVersion})`),
    row('socket', endpoint),
    row('runs as', process === null ? (reasonOf(unread, 'docker.process') ?? 'not known') : userOf(process.uid), ''),
    row('security options', api.securityOptions.map(optionText).join('; ') || 'none'),
    row('default runtime', api.defaultRuntime),
    row('cgroup driver', api.cgroupDriver),
    row('storage driver', api.storageDriver),
    row('log driver', api.loggingDriver),
    row('data root', api.dataRoot),
    row(
      'bridge traffic',
      bridgeInterContainer === null
        ? 'not known'
        : bridgeInterContainer
          ? 'containers can connect to each other'
          : 'blocked',
    ),
    row('daemon.json', file === null ? 'none' : file.path, isPending ? 'changed after the start: pending restart' : ''),
  ];
}

/** Why a fact could not be read, from the lines `path: reason` of an answer. */
export function reasonOf(unread: readonly string[], path: string): string | undefined {
  const line = unread.find(
    (line) => line.startsWith(`${path}:`) || line.startsWith(`${path}.`) || line.startsWith(`${path}[`),
  );
  return line === undefined ? undefined : `not read: ${line.slice(line.indexOf(': ') + 2)}`;
}

function row(name: string, value: string, weakness = ''): FactRow {
  return { name, value, weakness };
}

function onOff(value: boolean | null): string | null {
  return value === null ? null : value ? 'on' : 'off';
}

function enforced(value: boolean | null): string | null {
  return value === null ? null : value ? 'enforced' : 'not enforced';
}

function counted(actions: readonly string[] | null): string | null {
  return actions === null ? null : actions.join(', ');
}

function pendingSelinux({ selinux, selinuxConfigured }: NodeFacts['kernel']): string {
  if (selinux === null || selinuxConfigured === null || selinux === selinuxConfigured) return '';
  return `${selinuxConfigured} after the next boot`;
}

function isVulnerable(states: Readonly<Record<string, string>> | null): boolean {
  return Object.values(states ?? {}).some((state) => /^vulnerable/i.test(state));
}

function vulnerabilitySentence(states: Readonly<Record<string, string>> | null): string {
  if (states === null) return 'not known';
  const bad = Object.entries(states).filter(([, state]) => /^vulnerable/i.test(state));
  if (bad.length === 0) return `${String(Object.keys(states).length)} known flaws, all mitigated or not affected`;
  return `vulnerable to ${bad.map(([name]) => name).join(', ')}`;
}

function userOf(uid: number): string {
  return uid === 0 ? 'root' : `uid ${String(uid)} (rootless)`;
}

function optionText({
  name,
  options,
}: {
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
}): string {
  const parts = Object.entries(options).map(([key, value]) => `${key}=${value}`);
  return parts.length === 0 ? name : `${name} (${parts.join(', ')})`;
}
