/**
 * Container policies: documents that say what the Docker API may be asked for.
 *
 * ```yaml
 * apiVersion: plimsoll.dev/v1
 * kind: ContainerPolicy
 * metadata: { name: production }
 * spec:
 *   match: { clients: [ci-*] }
 *   allowHostNamespaces: [network]
 *   hostPaths: [{ path: /srv/data, readOnly: true }]
 * ```
 */
import { boolean, list, object, oneOf, unknown, withDefault } from '../../posture/schema.ts';
import type { Infer, Parsed, Schema } from '../../posture/schema.ts';
import { globPattern, globsOverlap, matchesGlob } from '../glob.ts';
import { POLICY_API_VERSION, policyMetadata } from '../image-policy.ts';
import type { PolicyDocument } from '../image-policy.ts';
import { safeSysctls } from '../pod/security/confinement.ts';
import { MODES } from '../rule/judging.ts';
import { strictObject } from '../strict-object.ts';
import { OPERATIONS } from './routes.ts';
import type { Operation } from './routes.ts';

/** `kind` of the documents. */
export const CONTAINER_POLICY_KIND = 'ContainerPolicy';

/** Namespaces of the host that a container can share. */
export const HOST_NAMESPACES = ['cgroup', 'ipc', 'network', 'pid', 'user', 'uts'] as const;

/** Capabilities that Docker gives every container (`DefaultCapabilities` of moby): to add one changes nothing. */
const DEFAULT_CAPABILITIES = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
];
/** The newest version of the Pod Security Standards, 1.37. */
const POD_SECURITY_VERSION = 37;
const DEFAULT_OPERATIONS: readonly Operation[] = ['attach', 'commit', 'copy', 'exec'];
const OPERATION_NAMES = Object.keys(OPERATIONS) as readonly Operation[];

const patterns = (doc: string, preset: readonly string[] = []): Schema<readonly string[]> =>
  withDefault(list(globPattern(''), doc, 256), preset);

const hostPath: Schema<string> = {
  shape: { kind: 'string', doc: 'absolute path; with `/**` at the end also everything below it', maximum: 4096 },
  parse: (value, at = '') =>
    typeof value === 'string' && value.length <= 4096 && isCleanPath(value.replace(/\/\*\*$/, '') || '/')
      ? { ok: true, value }
      : { ok: false, problem: `${at}: expected an absolute path without "..", such as /srv/data or /srv/data/**` },
};

/** The schema of the field `spec`. */
export const containerPolicySpec = strictObject({
  match: withDefault(
    strictObject({
      clients: patterns(
        'common names of TLS client certificates that the policy is for; default: all requests, also those without a certificate',
        ['*'],
      ),
    }),
    { clients: ['*'] },
  ),
  mode: withDefault(
    oneOf(MODES, '`enforce`: what is not allowed is refused; `warn`, `observe`: it is logged and let through'),
    'enforce',
  ),
  operations: withDefault(
    list(oneOf(OPERATION_NAMES), 'groups of API calls that are allowed; see below', 64),
    DEFAULT_OPERATIONS,
  ),
  allowPrivileged: withDefault(boolean('privileged containers and commands'), false),
  allowHostNamespaces: withDefault(list(oneOf(HOST_NAMESPACES), 'namespaces of the host that may be shared', 8), []),
  allowContainerNamespaces: withDefault(boolean('namespaces of another container (`container:ID`)'), false),
  allowVolumesFrom: withDefault(boolean('mounts of another container (`VolumesFrom`)'), false),
  allowUnmaskedPaths: withDefault(
    boolean('other masked or read-only paths below /proc and /sys than the usual'),
    false,
  ),
  capabilities: patterns('capabilities that may be added, without `CAP_`; default: those that Docker gives anyway', [
    ...DEFAULT_CAPABILITIES,
  ]),
  hostPaths: withDefault(
    list(
      strictObject({
        path: hostPath,
        readOnly: withDefault(boolean('only mounts that are read-only'), false),
      }),
      'directories and files of the host that may be mounted',
      256,
    ),
    [],
  ),
  volumeDrivers: patterns('drivers of volumes', ['local']),
  volumeTypes: patterns('file systems that the local driver may mount, such as `nfs`', ['tmpfs']),
  devices: patterns('devices of the host by path, such as `/dev/fuse`'),
  deviceDrivers: patterns('drivers of device requests, such as `nvidia` or `cdi`'),
  securityOptions: patterns('values of `SecurityOpt`', [
    'apparmor=docker-default',
    'no-new-privileges',
    'no-new-privileges=true',
    'seccomp=builtin',
  ]),
  sysctls: patterns('names of sysctls that may be set', safeSysctls(POD_SECURITY_VERSION)),
  runtimes: patterns('runtimes besides the default one', ['io.containerd.runc.v2', 'runc']),
  cgroupParents: patterns('parent cgroups'),
  annotations: patterns('keys of annotations, which some runtimes obey'),
  logDrivers: patterns('log drivers besides the default one', ['journald', 'json-file', 'local', 'none']),
  networkDrivers: patterns('drivers of networks', ['bridge', 'overlay']),
  images: withDefault(
    strictObject({
      judge: withDefault(
        boolean('whether image policies decide on images, where a policy snapshot is configured'),
        true,
      ),
      withoutDigest: withDefault(
        oneOf(
          ['deny', 'allow'],
          'containers whose image is named without a digest: a tag means whatever the host has under it',
        ),
        'deny',
      ),
    }),
    { judge: true, withoutDigest: 'deny' },
  ),
});

const document = strictObject({
  apiVersion: oneOf([POLICY_API_VERSION]),
  kind: oneOf([CONTAINER_POLICY_KIND]),
  metadata: policyMetadata,
  spec: withDefault(containerPolicySpec, defaultSpec()),
});

/** A policy that can be applied. */
export interface ContainerPolicy extends Infer<typeof containerPolicySpec> {
  readonly name: string;
  /** Where it was read, for messages: a file name. */
  readonly source: string;
}

/** The policy where no file says otherwise: like the level baseline of the Pod Security Standards. */
export function builtInPolicy(): ContainerPolicy {
  return { ...defaultSpec(), name: 'built-in', source: 'built-in' };
}

function defaultSpec(): Infer<typeof containerPolicySpec> {
  const parsed = containerPolicySpec.parse({});
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

/** The policy of one document, or what is wrong with it and where. */
export function parseContainerPolicy({ value, source }: PolicyDocument): Parsed<ContainerPolicy> {
  const head = object({ kind: unknown() }).parse(value);
  if (!head.ok) return { ok: false, problem: 'expected an object with apiVersion, kind, metadata and spec' };
  if (head.value.kind !== CONTAINER_POLICY_KIND)
    return { ok: false, problem: `kind: expected ${CONTAINER_POLICY_KIND}` };
  const parsed = document.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const { metadata, spec } = parsed.value;
  if (spec.match.clients.length === 0)
    return { ok: false, problem: 'spec.match.clients: an empty list matches no request; leave it out to match all' };
  return { ok: true, value: { ...spec, name: metadata.name, source } };
}

/**
 * The policy for a client: of those that match its name, the most specific. `client` is the common name of the TLS
 * certificate; undefined without one, which only the pattern `*` matches.
 */
export function selectContainerPolicy(
  policies: readonly ContainerPolicy[],
  client: string | undefined,
): ContainerPolicy | undefined {
  let best: { readonly rank: number; readonly policy: ContainerPolicy } | undefined;
  for (const policy of policies) {
    const matching = policy.match.clients.filter((pattern) =>
      client === undefined ? pattern === '*' : matchesGlob(pattern, client),
    );
    if (matching.length === 0) continue;
    const rank = Math.max(...matching.map(specificity));
    if (best === undefined || rank > best.rank) best = { rank, policy };
  }
  return best?.policy;
}

/** Which two policies could decide on the same client, or have one name. undefined: none. */
export function conflictBetween(one: ContainerPolicy, other: ContainerPolicy): string | undefined {
  if (one.name === other.name) return `the name ${one.name} is used twice`;
  for (const a of one.match.clients)
    for (const b of other.match.clients)
      if (specificity(a) === specificity(b) && globsOverlap(a, b))
        return `the clients ${a} and ${b} are equally specific`;
  return undefined;
}

/** Literal names before patterns, then the number of literal characters. */
function specificity(pattern: string): number {
  const literals = pattern.replaceAll(/[*?]/g, '').length;
  return literals === pattern.length ? Number.MAX_SAFE_INTEGER : literals;
}

/** Whether a path is absolute and names nothing through `.`, `..` or empty segments. */
export function isCleanPath(path: string): boolean {
  if (path === '/') return true;
  return (
    path.startsWith('/') &&
    path
      .slice(1)
      .split('/')
      .every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  );
}
