import { fail, pass, unknownBecause } from '../../verdict.ts';
import { listenerCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { judgeTls } from './probed.ts';

/** The versions without known breaks of the protocol itself (RFC 8996 retired what came before). */
const CURRENT: ReadonlySet<string> = new Set(['TLSv1.2', 'TLSv1.3']);

export const dockerProtocolVersion = listenerCheck({
  id: 'tls.docker-protocol-version',
  title: 'Docker port offers only TLS 1.2 or later',
  failTitle: 'Docker port offers outdated TLS versions',
  judgedBy: 'effect',
  severity: 'medium',
  rationale:
    'Older versions of TLS use broken hashes and modes. An attacker on the network may downgrade both ends to them.',
  remediation:
    'Update the engine: current ones offer nothing below TLS 1.2. If a proxy precedes dockerd, set its minimum version.',
  references: ['https://www.rfc-editor.org/rfc/rfc8996'],
  judges: 'listener',
  service: 'docker',
  needs: [],
  judge: (listener) =>
    judgeTls(listener, ({ versions }, source) => {
      if (versions.length === 0) return unknownBecause(`${source}: no TLS version was accepted`);
      const evidence = { source, seen: quoteList(versions), expected: 'TLSv1.2 and TLSv1.3 only' };
      return versions.every((version) => CURRENT.has(version))
        ? pass(evidence)
        : fail(`clients can be downgraded to ${quoteList(versions.filter((each) => !CURRENT.has(each)))}`, evidence);
    }),
});
