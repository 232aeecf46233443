import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { isoTime, quote } from '../evidence-text.ts';
import { kubeletCheck } from './setting.ts';

const EXPECTED = 'IPAddressDeny=any, and IPAddressAllow with the networks of the cluster';
const ADVICE = 'set IPAddressDeny=any and IPAddressAllow in a drop-in of the unit, or limit the port by a firewall';

export const sourceAddresses = kubeletCheck({
  id: 'kubelet.source-addresses',
  title: 'Kubelet answers chosen source addresses only',
  failTitle: 'Kubelet answers every source address',
  judgedBy: 'configuration',
  severity: 'low',
  rationale:
    'Only the API server and the monitoring of the cluster have to reach the kubelet. A filter of addresses keeps everybody else from its ports, also while a flaw of the kubelet or a stolen certificate would let them in.',
  remediation:
    'Limit the ports of the kubelet by a firewall to the API servers, the monitoring and the networks of the cluster. IPAddressDeny=any with IPAddressAllow= in a drop-in of kubelet.service has the same effect, but filters outgoing traffic too: allow the API servers, the metadata service of the cloud and what credential providers call, or images of private registries cannot be pulled.',
  judge: ({ addressFilter, listeners, process }) => {
    if (addressFilter.state === 'absent') return notApplicable('the kubelet is in no unit of systemd');
    if (addressFilter.state === 'unreadable') return unknownBecause(`${addressFilter.source}: ${addressFilter.reason}`);
    const { allow, deny, modifiedAtMs } = addressFilter.value;
    const evidence = {
      source: addressFilter.source,
      seen: quote(`IPAddressDeny=${deny.join(' ')} IPAddressAllow=${allow.join(' ')}`),
      expected: EXPECTED,
    };
    const sockets = listeners.state === 'seen' ? listeners.value : [];
    const open = sockets.filter(({ loopback }) => !loopback);
    if (sockets.length > 0 && open.length === 0)
      return pass({ source: listeners.source, seen: 'listening on loopback only', expected: EXPECTED });
    if (!coversAll(deny)) {
      // What a firewall has to protect.
      const names = open.slice(0, 8).map(({ address, port }) => `${address} port ${String(port)}`);
      const found = names.length === 0 ? 'sockets of the kubelet not known' : `listening on ${names.join(', ')}`;
      const reached = { source: listeners.source, seen: found, expected: 'reached from chosen addresses only' };
      return manual(`no filter of systemd refuses other addresses: ${ADVICE}`, evidence, reached);
    }
    const wide = allow.find(isWide);
    if (wide !== undefined) return fail(`${wide} is let in, so the filter refuses nobody: ${ADVICE}`, evidence);
    // systemd applies what it has loaded; when it did is not known.
    const isLoaded = process.state === 'seen' && modifiedAtMs < process.value.startedAtMs;
    return isLoaded
      ? pass(evidence)
      : unknownBecause(`the filter was modified ${isoTime(modifiedAtMs)}, after the start of the kubelet`, evidence);
  },
});

/** Both families, as systemd writes them. */
const ALL: readonly (readonly string[])[] = [
  ['any', '0.0.0.0/0'],
  ['any', '::/0'],
];

const coversAll = (list: readonly string[]): boolean => ALL.every((names) => list.some((one) => names.includes(one)));

/** The largest networks for one's own use: 10.0.0.0/8 (RFC 1918), fc00::/7 (RFC 4193). */
const SHORTEST_PREFIX = { v4: 8, v6: 7 };

/** Is this more than any network of a cluster? */
function isWide(entry: string): boolean {
  const prefix = /\/(\d{1,3})$/.exec(entry)?.[1];
  if (prefix === undefined) return entry === 'any';
  return Number(prefix) < SHORTEST_PREFIX[entry.includes(':') ? 'v6' : 'v4'];
}
