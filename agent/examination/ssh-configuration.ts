import { fine, unknown, warning } from '../../service/examination.ts';
import { sshdInspector } from '../inspector/sshd/inspect.ts';
import { AS_ROOT } from './node-subject.ts';
import type { NodeExamination, NodeSubject } from './node-subject.ts';

/** Can the configuration of sshd be read, with all that it includes? */
export const sshConfiguration: NodeExamination = Object.freeze({
  id: 'node.sshd',
  group: 'node',
  title: 'sshd',
  examine: async ({ access, uid }: NodeSubject) => {
    const { present, loads, contexts, files } = await sshdInspector.inspect(access, {});
    if (present.state === 'absent') return fine('no SSH server here');
    if (loads.state === 'seen' && !loads.value.accepted)
      return warning(`${loads.source}: sshd refuses this: ${loads.value.reason}`, 'see: sshd -t');
    if (contexts.state === 'unreadable')
      return unknown(`${contexts.source}: ${contexts.reason}`, uid === 0 ? 'see: sshd -t' : AS_ROOT);
    if (contexts.state === 'absent')
      return fine(`${contexts.source} is not there: sshd runs with its defaults, if it runs`);
    const state = present.state === 'seen' ? present.value : 'it cannot be seen whether it runs';
    const seen = `${state}; ${files.join(', ')}`;
    return present.state === 'seen' ? fine(seen) : warning(seen, AS_ROOT);
  },
});
