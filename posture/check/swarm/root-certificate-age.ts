import { fail, manual, pass, unknownBecause } from '../../verdict.ts';
import { isoTime } from '../evidence-text.ts';
import { judgeCluster, swarmCheck } from './swarm-check.ts';

const DAY_MS = 86_400_000;
const OLD_DAYS = 730;
const SOON_DAYS = 90;

export const rootCertificateAge = swarmCheck({
  id: 'swarm.root-certificate-age',
  title: 'Root certificate of the swarm was renewed within 2 years',
  failTitle: 'Root certificate of the swarm ends soon or has ended',
  severity: 'low',
  rationale:
    'Whoever copied the key of the CA from a manager, or from a backup, can add nodes until the CA is changed. It is valid for 20 years.',
  remediation: 'Run docker swarm ca --rotate; nodes get new certificates without a restart of containers.',
  reference: 'https://docs.docker.com/reference/cli/docker/swarm/ca/',
  judge: (facts) =>
    judgeCluster(facts, ({ rootIssuedAtMs: issued, rootExpiresAtMs: ends }) => {
      if (issued === null || ends === null)
        return unknownBecause('GET /swarm names no root certificate that is understood');
      const evidence = {
        source: 'GET /swarm TLSInfo.TrustRoot',
        seen: `issued ${isoTime(issued)}, ends ${isoTime(ends)}`,
        expected: 'issued within 2 years, valid for 90 days or more',
      };
      const { nowMs } = facts.clock;
      if (ends - nowMs < SOON_DAYS * DAY_MS) return fail('the root certificate ends within 90 days', evidence);
      return nowMs - issued > OLD_DAYS * DAY_MS
        ? manual('the root certificate is older than 2 years: does anyone who left have its key?', evidence)
        : pass(evidence);
    }),
});
