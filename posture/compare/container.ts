import * as s from '../schema.ts';

const namespace = s.nullable(s.object({ host: s.boolean(), inode: s.integer() }));

/** Settings of `declared` that are compared. */
const DECLARED = {
  privileged: s.boolean(),
  seccompProfile: s.string(),
  apparmorProfile: s.string(),
  selinuxLabel: s.string(),
  noNewPrivileges: s.nullable(s.boolean()),
  capAdd: s.list(s.string()),
  capDrop: s.list(s.string()),
  user: s.string(),
  readOnlyRoot: s.boolean(),
  networkMode: s.string(),
  pidMode: s.string(),
  ipcMode: s.string(),
  utsMode: s.string(),
  usernsMode: s.string(),
  cgroupnsMode: s.string(),
  memoryBytes: s.integer(),
  pidsLimit: s.integer(),
};

/** Fields of a container that are compared as the fact has them. */
const EFFECTIVE = {
  id: s.string(),
  name: s.string(),
  image: s.string(),
  startedAt: s.string(),
  pid: s.integer(),
  processes: s.nullable(s.integer()),
  complete: s.boolean(),
  incompleteReason: s.string(),
  seccomp: s.nullable(
    s.object({
      mode: s.oneOf(['disabled', 'strict', 'filter']),
      filters: s.integer(),
      threads: s.integer(),
      weakest: s.string(),
    }),
  ),
  noNewPrivs: s.nullable(s.boolean()),
  capabilities: s.nullable(
    s.object({ effective: s.nullable(s.list(s.string())), bounding: s.nullable(s.list(s.string())) }),
  ),
  uid: s.nullable(s.integer()),
  uidMap: s.nullable(s.list(s.object({ inside: s.integer(), outside: s.integer(), count: s.integer() }))),
  lsmLabel: s.nullable(s.string()),
  namespaces: s.object({
    cgroup: namespace,
    ipc: namespace,
    mnt: namespace,
    net: namespace,
    pid: namespace,
    user: namespace,
    uts: namespace,
  }),
  memoryMaxBytes: s.nullable(s.integer()),
  pidsMax: s.nullable(s.integer()),
};

/** A container as a live query returns it: declared settings, and what the kernel enforces. Null: absent or not read. */
export const liveContainer = s.object({
  ...EFFECTIVE,
  declared: s.object(DECLARED),
  rootReadOnly: s.nullable(s.list(s.boolean())),
  lastCapability: s.nullable(s.integer()),
});
/** See {@link liveContainer}. */
export type LiveContainer = s.Infer<typeof liveContainer>;

/** All containers of a node; null without a container engine, or where it could not be read. */
export const liveContainers = s.nullable(s.list(liveContainer, '', 10_000));

/** What a live query returns of a container `c` for {@link liveContainer}: only what is compared. */
const PROJECTION = [
  '{',
  fieldsOf(EFFECTIVE, 'c'),
  ', "lastCapability": kernel.capLastCap',
  ', "rootReadOnly": c.mounts.filter(m, m.mountPoint == "/").map(m, m.readOnly)',
  `, "declared": {${fieldsOf(DECLARED, 'c.declared')}}`,
  '}',
].join('');

function fieldsOf(fields: object, of: string): string {
  return Object.keys(fields)
    .map((name) => `"${name}": ${of}.${name}`)
    .join(', ');
}

/** The live query for {@link liveContainers}, small enough that hundreds of containers fit in an answer. */
export const CONTAINER_EXPRESSION = `containers.filter(c, c.pid > 0).map(c, ${PROJECTION})`;

/** One container with its mounts, ports and devices. */
export const containerDetail = s.object({
  live: liveContainer,
  state: s.string(),
  engine: s.string(),
  imageId: s.string(),
  restartPolicy: s.string(),
  declaredMounts: s.list(
    s.object({
      type: s.string(),
      source: s.string(),
      destination: s.string(),
      writable: s.boolean(),
      propagation: s.string(),
    }),
    '',
    4096,
  ),
  mounts: s.nullable(
    s.list(
      s.object({
        mountPoint: s.string(),
        fsType: s.string(),
        readOnly: s.boolean(),
        origin: s.string(),
        nodePaths: s.list(s.string(), '', 64),
      }),
      '',
      20_000,
    ),
  ),
  ports: s.list(s.object({ containerPort: s.string(), hostIp: s.string(), hostPort: s.integer() }), '', 8192),
  networks: s.list(s.string(), '', 256),
  devices: s.list(s.object({ path: s.string(), permissions: s.string() }), '', 1024),
  deviceRules: s.nullable(s.list(s.string(), '', 1024)),
  controlSockets: s.nullable(s.list(s.object({ path: s.string(), at: s.string() }), '', 64)),
});
/** See {@link containerDetail}. */
export type ContainerDetail = s.Infer<typeof containerDetail>;

/** The answer to {@link containerDetailExpression}: empty where the node has no such container. */
export const containerDetails = s.nullable(s.list(containerDetail, '', 16));

const DETAIL = [
  `"live": ${PROJECTION}`,
  ...['state', 'engine', 'imageId', 'mounts', 'deviceRules', 'controlSockets'].map((name) => `"${name}": c.${name}`),
  ...['restartPolicy', 'ports', 'networks', 'devices'].map((name) => `"${name}": c.declared.${name}`),
  '"declaredMounts": c.declared.mounts',
].join(', ');

/** The live query for {@link containerDetails}. Undefined for an id that no engine gives. */
export function containerDetailExpression(id: string): string | undefined {
  // Within these characters a CEL string needs no escape.
  return /^[\w.:-]{1,128}$/.test(id) ? `containers.filter(c, c.id == "${id}").map(c, {${DETAIL}})` : undefined;
}
