import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/*
 * A second, simple reader of /proc, synchronous and without bounds, which shares no code with the program: what it says
 * of a container is what the kernel says at that moment.
 */

/** One task (thread) of a container. */
export interface Task {
  readonly pid: number;
  /** Real, effective, saved and file system user id, on the node. */
  readonly uids: readonly number[];
  /** CapInh, CapPrm, CapEff, CapBnd, CapAmb. */
  readonly capabilities: readonly bigint[];
  readonly effective: bigint;
  readonly noNewPrivileges: boolean;
  readonly seccomp: number;
  /** Text of the link by kind of namespace: `net:[4026531840]`. */
  readonly namespaces: Readonly<Record<string, string>>;
}

/** What the kernel says of one container. */
export interface Truth {
  readonly tasks: readonly Task[];
  readonly mounts: readonly MountLine[];
  /** `devices.list` of cgroup version 1; undefined where there is none. */
  readonly devices: readonly string[] | undefined;
  /** Lowest limit of the cgroup and those above; undefined: none. */
  readonly memoryBytes: number | undefined;
  readonly pids: number | undefined;
  /** Does the container see one of these sockets, by device and inode? */
  readonly seesSocket: (sockets: ReadonlySet<string>) => boolean;
  /** Are these paths what the kernel has there (not covered by another file system)? */
  readonly isBare: (path: string) => boolean;
}

/** A line of mountinfo, as far as it is compared. */
export interface MountLine {
  readonly mountPoint: string;
  readonly options: readonly string[];
  readonly tags: readonly string[];
  readonly type: string;
}

const KINDS = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'] as const;

/** The namespaces of the node: those of this process, which `npm test` does not put into others. */
export function nodeNamespaces(): Readonly<Record<string, string>> {
  return namespacesOf('/proc/self');
}

/** Ids of all processes by what their cgroup file holds: read once for many containers. */
export function readCgroups(): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      found.set(Number(name), readFileSync(`/proc/${name}/cgroup`, 'utf8'));
    } catch {
      // It ended.
    }
  }
  return found;
}

/** Reads everything about the container with this id and first process. */
export function readTruth(id: string, init: number, cgroups: ReadonlyMap<number, string>): Truth {
  const pids = [...cgroups].filter(([, text]) => text.includes(id)).map(([pid]) => pid);
  const tasks = pids.flatMap(readTasks);
  const own = cgroups.get(init) ?? '';
  return {
    tasks,
    mounts: readMounts(init),
    devices: readLines(cgroupPath(own, 'devices'), 'devices.list'),
    memoryBytes: lowest(own, 'memory', 'memory.limit_in_bytes'),
    pids: lowest(own, 'pids', 'pids.max'),
    seesSocket: (sockets) => pids.some((pid) => socketsBelow(pid).some((socket) => sockets.has(socket))),
    isBare: (path) => {
      const [here, whole] = [statOf(`/proc/${String(init)}/root${path}`), statOf(path)];
      return here !== undefined && here === whole;
    },
  };
}

function readTasks(pid: number): readonly Task[] {
  const tasks: Task[] = [];
  for (const tid of readdirSync(`/proc/${String(pid)}/task`)) {
    const place = `/proc/${String(pid)}/task/${tid}`;
    const fields = new Map(
      readFileSync(`${place}/status`, 'utf8')
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()] as const),
    );
    if (/^[ZX]/.test(fields.get('State') ?? '')) continue;
    const word = (name: string): bigint => BigInt(`0x${fields.get(name) ?? '0'}`);
    tasks.push({
      pid,
      uids: (fields.get('Uid') ?? '').split(/\s+/).map(Number),
      capabilities: ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(word),
      effective: word('CapEff'),
      noNewPrivileges: fields.get('NoNewPrivs') === '1',
      seccomp: Number(fields.get('Seccomp')),
      namespaces: namespacesOf(place),
    });
  }
  return tasks;
}

function namespacesOf(place: string): Readonly<Record<string, string>> {
  return Object.fromEntries(KINDS.map((kind) => [kind, readlinkSync(`${place}/ns/${kind}`)]));
}

function readMounts(pid: number): readonly MountLine[] {
  const lines = readFileSync(`/proc/${String(pid)}/mountinfo`, 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , , mountPoint = '', options = '', ...tags] = before.split(' ');
    return { mountPoint, options: options.split(','), tags, type: after.split(' ')[0] ?? '' };
  });
}

/** Version 1: `4:memory:/docker/abc…` */
function cgroupPath(text: string, controller: string): string | undefined {
  const line = text.split('\n').find((candidate) => candidate.split(':')[1]?.split(',').includes(controller) === true);
  return line === undefined ? undefined : `/sys/fs/cgroup/${controller}${line.split(':').slice(2).join(':')}`;
}

function readLines(directory: string | undefined, file: string): readonly string[] | undefined {
  if (directory === undefined) return undefined;
  try {
    return readFileSync(`${directory}/${file}`, 'utf8').trimEnd().split('\n');
  } catch {
    return undefined;
  }
}

function lowest(text: string, controller: string, file: string): number | undefined {
  let path = cgroupPath(text, controller);
  let least: number | undefined;
  while (path !== undefined && path.startsWith(`/sys/fs/cgroup/${controller}`)) {
    const value = Number(readLines(path, file)?.[0] ?? Number.NaN);
    if (Number.isFinite(value) && value < 2 ** 53) least = Math.min(least ?? value, value);
    path = path.slice(0, path.lastIndexOf('/'));
  }
  return least;
}

function statOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${String(dev)}:${String(ino)}`;
  } catch {
    return undefined;
  }
}

/** Sockets at or below the mounts of a process, a few levels deep, by device and inode; no link is followed. */
function socketsBelow(pid: number): readonly string[] {
  const root = `/proc/${String(pid)}/root`;
  const found = new Set<string>();
  const visit = (path: string, depth: number): void => {
    try {
      const stat = lstatSync(path);
      if (stat.isSocket()) found.add(`${String(stat.dev)}:${String(stat.ino)}`);
      if (stat.isDirectory() && depth > 0) for (const name of readdirSync(path)) visit(`${path}/${name}`, depth - 1);
    } catch {
      // It went away, or is not for us.
    }
  };
  for (const { mountPoint, type } of readMounts(pid))
    if (!['proc', 'sysfs', 'cgroup', 'cgroup2', 'overlay', 'devpts', 'mqueue'].includes(type))
      visit(`${root}${mountPoint}`, type === 'ext4' ? 3 : 1);
  return [...found];
}
