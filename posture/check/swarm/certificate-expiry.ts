import { fail, pass } from '../../verdict.ts';
import { judgeCluster, swarmCheck } from './swarm-check.ts';

/** The default of dockerd. */
const MAX_DAYS = 90;

export const certificateExpiry = swarmCheck({
  id: 'swarm.certificate-expiry',
  title: 'Certificates of swarm nodes last at most 90 days',
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
        expected: `at most ${String(MAX_DAYS)} days`,
      };
      return certificateDays <= MAX_DAYS ? pass(evidence) : fail('a copied certificate stays good for long', evidence);
    }),
});
