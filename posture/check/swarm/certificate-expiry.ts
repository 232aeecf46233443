import { fail, pass } from '../../verdict.ts';
import { judgeCluster, swarmCheck } from './swarm-check.ts';
import { counted, parameterized } from '../parameter.ts';

export const certificateExpiry = parameterized(
  {
    maxDays: {
      doc: 'days that a certificate may last; the default is that of dockerd',
      default: 90,
      minimum: 1,
      maximum: 3650,
    },
  },
  ({ maxDays }) =>
    swarmCheck({
      id: 'swarm.certificate-expiry',
      title: `Certificates of swarm nodes last at most ${counted(maxDays, 'day')}`,
      failTitle: 'Certificates of swarm nodes last too long',
      severity: 'low',
      rationale:
        'A certificate that was copied from a node is good until it ends, since a swarm has no list of revoked certificates. Nodes renew theirs without help.',
      remediation: 'Run docker swarm update --cert-expiry 720h0m0s.',
      reference: 'https://docs.docker.com/engine/swarm/how-swarm-mode-works/pki/',
      judge: (facts) =>
        judgeCluster(facts, ({ certificateDays }) => {
          const evidence = {
            source: 'GET /swarm Spec.CAConfig.NodeCertExpiry',
            seen: `${String(Math.round(certificateDays * 10) / 10)} days`,
            expected: `at most ${String(maxDays)} days`,
          };
          return certificateDays <= maxDays
            ? pass(evidence)
            : fail('a copied certificate stays good for long', evidence);
        }),
    }),
);
