import { seen, unreadable } from '../../../posture/observed.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { FileFact, FileRole, FilesFact } from '../../../posture/fact/file.ts';
import { homeOf, readAccounts } from '../accounts.ts';
import type { Accounts } from '../accounts.ts';
import { clip } from '../clip.ts';
import type { Host } from '../../host/host.ts';
import type { NodeAccess } from '../../node-access.ts';
import type { Inspector } from '../inspector.ts';
import { unseen } from '../read-text.ts';
import { findUnit, UNIT_DIRECTORIES } from '../systemd/find-unit.ts';
import type { Unit } from '../systemd/find-unit.ts';
import { kubernetesPaths } from './kubernetes-paths.ts';
import { dockerPaths, registryDirectory, sshPaths } from './paths.ts';
import type { RolePath } from './paths.ts';

const MAX_REGISTRIES = 256;
const MAX_REGISTRY_FILES = 1024;
const MAX_FILES = 4096;

/** Owner and mode of the files that Docker, containerd, sshd and the kubelet rely on. */
export const fileInspector: Inspector<'files'> = {
  fact: 'files',
  needs: ['docker', 'kubelet', 'sshd'],
  inspect: inspectFiles,
  watches: ({ files, docker }) => [
    ...new Set([
      '/etc/passwd',
      '/etc/group',
      registryDirectory(docker),
      ...files.map(({ path }) => path),
      ...UNIT_NAMES.flatMap(([, name]) => UNIT_DIRECTORIES.flatMap((in_) => [`${in_}/${name}`, `${in_}/${name}.d`])),
    ]),
  ],
};

const UNIT_NAMES: readonly (readonly [FileRole, string])[] = [
  ['dockerServiceUnit', 'docker.service'],
  ['dockerSocketUnit', 'docker.socket'],
];

async function inspectFiles({ host }: NodeAccess, { docker, kubelet, sshd }: Partial<Facts>): Promise<FilesFact> {
  const [accounts, units, socketUnit] = await Promise.all([
    readAccounts(host),
    unitPaths(host),
    findUnit(host, 'docker.socket'),
  ]);
  const settings = socketUnit !== undefined && 'settings' in socketUnit ? socketUnit.settings : [];
  const uid = docker?.process.state === 'seen' ? docker.process.value.uid : 0;
  const home = (await homeOf(host, uid)) ?? '/root';
  const wanted: readonly RolePath[] = [
    ...(docker === undefined ? [] : dockerPaths(docker, home, settings)),
    ...(docker === undefined ? [] : await registryPaths(host, registryDirectory(docker))),
    ...units,
    ...(sshd === undefined ? [] : sshPaths(sshd)),
    ...(kubelet === undefined ? [] : await kubernetesPaths(host, kubelet)),
  ];
  const facts = await Promise.all(distinct(wanted).map((path) => describe(host, path, accounts)));
  return facts.filter((fact) => fact !== undefined).slice(0, MAX_FILES);
}

async function describe(host: Host, wanted: RolePath, accounts: Accounts): Promise<FileFact | undefined> {
  const { role, expectedGroup = '', expectedMode = null, unread } = wanted;
  if (unread !== undefined) {
    const stat = unreadable(wanted.path, unread);
    return { role, path: clip(wanted.path, 4096), stat, expectedGroup: '', expectedMode };
  }
  for (const path of [wanted.path, ...(wanted.alternatives ?? [])]) {
    const stat = await observeStat(host, path, accounts);
    if (stat.state === 'absent' && wanted.isOptional === true) continue;
    const group = expectedGroup === null ? null : clip(expectedGroup, 256);
    return { role, path: clip(path, 4096), stat, expectedGroup: group, expectedMode };
  }
  return undefined;
}

async function observeStat(host: Host, path: string, { users, groups }: Accounts): Promise<FileFact['stat']> {
  const stat = await host.stat(path);
  if (!stat.ok) return unseen(stat, path);
  const { realPath, kind, uid, gid, mode } = stat.value;
  return seen(
    {
      realPath: clip(realPath, 4096),
      kind,
      uid,
      gid,
      mode,
      owner: users.get(uid) ?? String(uid),
      group: groups.get(gid) ?? String(gid),
    },
    path,
  );
}

/** The unit files of Docker with their drop-ins. A masked unit stays in: its link to /dev/null says that it is. */
async function unitPaths(host: Host): Promise<readonly RolePath[]> {
  const found: RolePath[] = [];
  for (const [role, name] of UNIT_NAMES) {
    const unit = await findUnit(host, name);
    if (unit === undefined) continue;
    // It cannot be seen: its place in the first directory stands for it, and stat says why.
    if (!('path' in unit)) found.push({ role, path: `${UNIT_DIRECTORIES[0] ?? ''}/${name}` });
    else {
      found.push(...pathsOf(unit).map((path) => ({ role, path })));
      found.push(...unit.unread.map(({ path, reason }) => ({ role, path, unread: reason })));
    }
  }
  return found;
}

function pathsOf({ path, dropIns, isMasked }: Unit): readonly string[] {
  return isMasked ? [path] : [path, ...dropIns];
}

/** `certs.d/REGISTRY/*.crt`, `*.cert` and `*.key`. */
async function registryPaths(host: Host, directory: string): Promise<readonly RolePath[]> {
  const registries = await host.list(directory, { maxEntries: MAX_REGISTRIES });
  const role = 'dockerRegistryCertificate';
  if (!registries.ok) return registries.code === 'absent' ? [] : [{ role, path: directory, unread: registries.reason }];
  const found: RolePath[] = [];
  for (const registry of registries.value) {
    const path = `${directory}/${registry}`;
    const listed = await host.list(path, { maxEntries: MAX_REGISTRY_FILES });
    if (!listed.ok) {
      // A file beside the directories does not belong to a registry.
      if (listed.code !== 'absent' && listed.code !== 'notRegular') found.push({ role, path, unread: listed.reason });
      continue;
    }
    for (const name of listed.value)
      if (/\.(?:crt|cert|key)$/.test(name)) found.push({ role, path: `${path}/${name}` });
  }
  if (found.length <= MAX_REGISTRY_FILES) return found;
  const unread = `more than ${String(MAX_REGISTRY_FILES)} files, of which not all are judged`;
  return [...found.slice(0, MAX_REGISTRY_FILES), { role, path: directory, unread }];
}

/** One fact for each role and path: a check names its subject by the path. */
function distinct(paths: readonly RolePath[]): readonly RolePath[] {
  const known = new Map<string, RolePath>();
  for (const path of paths) {
    const key = `${path.role} ${path.path}`;
    if (!known.has(key)) known.set(key, path);
  }
  return [...known.values()];
}
