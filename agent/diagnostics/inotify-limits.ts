import { ok, unknown, warning } from '../../service/diagnostic.ts';
import { readText } from '../inspector/read-text.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

const DIRECTORY = '/proc/sys/fs/inotify';
/** The agent opens up to 1,024 watches, each an instance of its own in the worst case; others on the node need some. */
const LEAST_WATCHES = 8_192;
/** The kernel's own default; Node.js keeps one instance for all watches of a thread. */
const LEAST_INSTANCES = 128;

/** May enough files be watched? Beyond the limits changes are seen by the next sweep only. */
export const inotifyLimits: NodeDiagnostic = Object.freeze({
  id: 'node.inotify',
  group: 'node',
  title: 'watches of files',
  run: async ({ access: { host } }: NodeSubject) => {
    const read = async (name: string): Promise<number | undefined> => {
      const text = await readText(host, `${DIRECTORY}/${name}`, 64);
      return text.ok && /^\d{1,15}\s*$/.test(text.value) ? Number(text.value) : undefined;
    };
    const [watches, instances] = [await read('max_user_watches'), await read('max_user_instances')];
    if (watches === undefined || instances === undefined)
      return unknown(`the limits in ${DIRECTORY} could not be read`, 'is /proc/sys there?');
    const seen = `${String(watches)} watches and ${String(instances)} instances a user`;
    const low = [
      ...(watches < LEAST_WATCHES ? [`fs.inotify.max_user_watches=${String(LEAST_WATCHES)}`] : []),
      ...(instances < LEAST_INSTANCES ? [`fs.inotify.max_user_instances=${String(LEAST_INSTANCES)}`] : []),
    ];
    return low.length === 0 ? ok(seen) : warning(seen, `other programs need some too: sysctl -w ${low.join(' ')}`);
  },
});
