import { ok, problem, unknown, warning } from '../../service/diagnostic.ts';
import { parseMountinfo } from '../inspector/proc/mountinfo.ts';
import { readText } from '../inspector/read-text.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

const MAX_MOUNTINFO_BYTES = 8 * 1024 * 1024;

/** Is the directory that is read as the node really the node's root? */
export const hostRoot: NodeDiagnostic = Object.freeze({
  id: 'node.root',
  group: 'node',
  title: 'host root',
  run: async ({ access: { host }, hostRoot }: NodeSubject) => {
    const release = await anyOf(['/etc/os-release', '/usr/lib/os-release'], host);
    const listed = await host.list('/proc', { maxEntries: 200_000 });
    if (!listed.ok || !listed.value.includes('self'))
      return problem(
        `there is no procfs at ${hostRoot === '/' ? '' : hostRoot}/proc`,
        'name the root of the node with --host-root; in a container: -v /:/host:ro --pid=host --host-root /host',
      );
    if (release === undefined)
      return problem(
        `${hostRoot} has no etc/os-release: it is not the root of a node`,
        'name the root of the node with --host-root; in a container: -v /:/host:ro --host-root /host',
      );
    const mountinfo = await readText(host, '/proc/self/mountinfo', MAX_MOUNTINFO_BYTES);
    if (!mountinfo.ok) return unknown(`/proc/self/mountinfo: ${mountinfo.reason}`);
    const own = parseMountinfo(mountinfo.value).find(({ mountPoint }) => mountPoint === '/');
    // A container's root is a layered file system of its runtime; a live system's may be one as well.
    const isContainer = hostRoot === '/' && own?.fsType === 'overlay' && (await isInContainer(host));
    if (isContainer)
      return warning(
        'this is a container, and it is judged as if it were the node',
        'to judge the node: docker run --pid=host -v /:/host:ro … --host-root /host',
      );
    return ok(`${hostRoot} is ${release}`);
  },
});

async function anyOf(paths: readonly string[], host: NodeSubject['access']['host']): Promise<string | undefined> {
  for (const path of paths) {
    const read = await readText(host, path);
    const name = read.ok ? /^PRETTY_NAME="?([^"\n]{1,200})/m.exec(read.value)?.[1] : undefined;
    if (read.ok) return name ?? 'a Linux system';
  }
  return undefined;
}

/** Docker and Podman leave these files in the root of a container. */
async function isInContainer(host: NodeSubject['access']['host']): Promise<boolean> {
  const marks = await Promise.all(['/.dockerenv', '/run/.containerenv'].map((path) => host.stat(path)));
  return marks.some(({ ok }) => ok);
}
