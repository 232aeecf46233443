import { ok, unknown, warning } from '../../service/diagnostic.ts';
import { sshdInspector } from '../inspector/sshd/inspect.ts';
import { AS_ROOT } from './node-subject.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

/** Can the configuration of sshd be read, with all that it includes? */
export const sshConfiguration: NodeDiagnostic = Object.freeze({
  id: 'node.sshd',
  group: 'node',
  title: 'sshd',
  run: async ({ access, uid }: NodeSubject) => {
    const { present, loads, contexts, files } = await sshdInspector.inspect(access, {});
    if (present.state === 'absent') return ok('no SSH server here');
    if (loads.state === 'seen' && !loads.value.accepted)
      return warning(`${loads.source}: sshd refuses this: ${loads.value.reason}`, 'see: sshd -t');
    if (contexts.state === 'unreadable')
      return unknown(`${contexts.source}: ${contexts.reason}`, uid === 0 ? 'see: sshd -t' : AS_ROOT);
    if (contexts.state === 'absent')
      return ok(`${contexts.source} is not there: sshd runs with its defaults, if it runs`);
    const state = present.state === 'seen' ? present.value : 'it cannot be seen whether it runs';
    const seen = `${state}; ${files.join(', ')}`;
    return present.state === 'seen' ? ok(seen) : warning(seen, AS_ROOT);
  },
});
