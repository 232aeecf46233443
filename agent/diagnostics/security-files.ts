import { ok, unknown, warning } from '../../service/diagnostic.ts';
import { AS_ROOT } from './node-subject.ts';
import type { NodeDiagnostic, NodeSubject } from './node-subject.ts';

/** Is securityfs there, and which security modules does it name? */
export const securityFiles: NodeDiagnostic = Object.freeze({
  id: 'node.security-modules',
  group: 'node',
  title: 'security modules',
  run: async ({ kernel, uid }: NodeSubject) => {
    const { lsm, selinux, apparmor, lockdown, apparmorProfiles } = await kernel();
    if (lsm.state === 'unreadable')
      return unknown(
        `${lsm.source}: ${lsm.reason}`,
        lsm.reason.includes('securityfs')
          ? "mount it: mount -t securityfs securityfs /sys/kernel/security; in a container, mount the host's /sys"
          : AS_ROOT,
      );
    const modules = lsm.state === 'seen' ? lsm.value.join(', ') : 'none named';
    const mandatory = [
      selinux.state === 'seen' ? `SELinux ${selinux.value}` : 'no SELinux',
      apparmor.state === 'seen' && apparmor.value ? 'AppArmor on' : 'no AppArmor',
    ];
    const seen = `${modules}; ${mandatory.join(', ')}`;
    const hidden = Object.entries({ lockdown, apparmorProfiles }).flatMap(([, observed]) =>
      observed.state === 'unreadable' ? [`${observed.source}: ${observed.reason}`] : [],
    );
    if (hidden.length === 0) return ok(seen);
    return warning(
      `${seen}; not to be read: ${hidden.join(', ')}`,
      uid === 0 ? 'see the mounts of this container' : AS_ROOT,
    );
  },
});
