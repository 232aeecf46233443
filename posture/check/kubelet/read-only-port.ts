import { fail, pass, unknownBecause } from '../../verdict.ts';
import { evidenceOf, kubeletCheck, remedyFor, settingOf } from './setting.ts';

const SETTING = 'readOnlyPort';
const USUAL_PORT = 10255;

export const readOnlyPort = kubeletCheck({
  id: 'kubelet.read-only-port',
  title: 'Kubelet read-only port is closed',
  failTitle: 'Kubelet read-only port is open',
  severity: 'high',
  rationale:
    'The read-only port answers everybody without authentication and encryption: specifications of all pods with their environment, and metrics.',
  remediation:
    'Set readOnlyPort: 0 in the configuration of the kubelet, remove --read-only-port from its flags, and restart it. A kubelet without --config opens port 10255: start it with --read-only-port=0.',
  judge: (kubelet) => {
    const setting = settingOf(kubelet, SETTING);
    const { listeners } = kubelet;
    const configured = setting.known ? [evidenceOf(SETTING, setting, '0')] : [];
    const remedy = remedyFor(kubelet, `${SETTING}: 0`);
    if (listeners.state !== 'seen') {
      const reason = listeners.state === 'unreadable' ? listeners.reason : 'no sockets';
      return setting.known && setting.value !== '0'
        ? fail(`the read-only port is configured: ${remedy}`, ...configured)
        : unknownBecause(`${listeners.source}: ${reason}`, ...configured);
    }
    const port = setting.known && setting.value !== '0' ? Number(setting.value) : USUAL_PORT;
    const open = listeners.value.find((listener) => listener.port === port);
    const expected = 'no read-only port';
    if (open !== undefined)
      return fail(
        `everybody who reaches port ${String(port)} can read all pods: ${remedy}`,
        { source: listeners.source, seen: `listening on ${open.address} port ${String(port)}`, expected },
        ...configured,
      );
    const closed = { source: listeners.source, seen: `not listening on port ${String(port)}`, expected };
    // It opens with the next start.
    if (setting.known && setting.value !== '0')
      return fail(`the read-only port is configured: ${remedy}`, ...configured, closed);
    return setting.known ? pass(closed, ...configured) : unknownBecause(setting.reason, closed);
  },
});
