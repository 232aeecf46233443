import { ok, unknown, warning } from '../../service/diagnostic.ts';
import { readText } from '../inspector/read-text.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

const DIRECTORY = '/proc/sys/fs/inotify';
/** The agent opens up to 1,024 watches; other programs on the node need some as well. */
const LEAST_WATCHES = 8_192;
/** The kernel's default; Node.js uses one instance for all watches of a thread. */
const LEAST_INSTANCES = 128;

/** Do the inotify limits suffice? Changes of files that are not watched are found by the next sweep only. */
export const fileWatches: NodeDiagnostic = Object.freeze({
  id: 'file-watches',
  title: 'file watches',
  run: async ({ access: { host } }: NodeSubject) => {
    const read = async (name: string): Promise<number | undefined> => {
      const text = await readText(host, `${DIRECTORY}/${name}`, 64);
      return text.ok && /^\d{1,15}\s*$/.test(text.value) ? Number(text.value) : undefined;
    };
    const [watches, instances] = [await read('max_user_watches'), await read('max_user_instances')];
    if (watches === undefined || instances === undefined)
      return unknown(`the limits in ${DIRECTORY} could not be read`, 'mount /proc');
    const observed = `${String(watches)} watches and ${String(instances)} instances for each user`;
    const low = [
      ...(watches < LEAST_WATCHES ? [`fs.inotify.max_user_watches=${String(LEAST_WATCHES)}`] : []),
      ...(instances < LEAST_INSTANCES ? [`fs.inotify.max_user_instances=${String(LEAST_INSTANCES)}`] : []),
    ];
    return low.length === 0
      ? ok(observed)
      : warning(observed, `other programs need some as well: sysctl -w ${low.join(' ')}`);
  },
});
