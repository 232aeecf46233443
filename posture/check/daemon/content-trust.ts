import { fail, manual, unknownBecause } from '../../verdict.ts';
import { daemonCheck, unseenReason } from './setting.ts';

export const contentTrust = daemonCheck({
  id: 'daemon.content-trust',
  title: 'Pulls verify who signed the image',
  failTitle: 'Environment disables content trust of the client',
  judgedBy: 'configuration',
  severity: 'low',
  rationale:
    'Whoever controls a registry, or the network before it, can replace an image whose signature is not verified. The daemon verifies no signatures. The docker client does with DOCKER_CONTENT_TRUST=1, which each user can change and which Docker is retiring: its official images are no longer signed in this way.',
  remediation:
    'Verify signatures where it cannot be switched off: image policies with the rule signature, enforced by plimsoll authz or by the admission webhook. Set DOCKER_CONTENT_TRUST=1 only for registries with a Notary service of their own: with it, nothing can be pulled from Docker Hub once the service of Docker has ended.',
  reference: 'https://docs.docker.com/engine/security/trust/',
  judge: ({ contentTrust: found }) => {
    if (found.state !== 'seen') return unknownBecause(unseenReason(found));
    const evidence = found.value.map(({ source, value }) => ({
      source,
      seen: `DOCKER_CONTENT_TRUST=${value}`,
      expected: 'DOCKER_CONTENT_TRUST=1, or signatures verified by a policy',
    }));
    // The client reads it as strconv.ParseBool of Go does.
    const off = evidence.filter((_, index) => /^(?:0|f|F|false|FALSE|False)$/.test(found.value[index]?.value ?? ''));
    if (off.length > 0) return fail('content trust is switched off for people who log in', ...off.slice(0, 8));
    const none = { source: found.source, seen: 'not set', expected: 'DOCKER_CONTENT_TRUST=1, or a policy' };
    return manual(
      'each client decides for itself: is every pull verified, by content trust or by a policy?',
      ...(evidence.length === 0 ? [none] : evidence.slice(0, 8)),
    );
  },
});
