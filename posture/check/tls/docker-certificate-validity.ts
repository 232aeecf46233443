import { fail, failAs, pass, unknownBecause } from '../../verdict.ts';
import { listenerCheck } from '../check.ts';
import { isoTime } from '../evidence-text.ts';
import { judgeTls } from './probed.ts';

/** Time enough to renew by hand. */
const WARNING_DAYS = 30;
const DAY_MS = 24 * 60 * 60 * 1000;

export const dockerCertificateValidity = listenerCheck({
  id: 'tls.docker-certificate-validity',
  title: "The certificate of Docker's TCP port is valid, and for a while yet",
  severity: 'high',
  rationale:
    'With an expired certificate clients fail, or are told to skip verification, and then nobody notices the server that stands in between.',
  remediation:
    'Issue a new server certificate from the private CA of the clients, put it where tlscert points, and restart Docker.',
  references: ['https://docs.docker.com/engine/security/protect-access/'],
  judges: 'listener',
  service: 'docker',
  needs: ['clock'],
  judge: (listener, { clock }) =>
    judgeTls(listener, ({ certificate }, source) => {
      if (certificate === null) return unknownBecause(`${source}: the server showed no certificate`);
      const { notBeforeMs, notAfterMs } = certificate;
      const evidence = {
        source,
        seen: `valid from ${isoTime(notBeforeMs)} to ${isoTime(notAfterMs)}`,
        expected: `valid at ${isoTime(clock.nowMs)}, and for ${String(WARNING_DAYS)} days more`,
      };
      if (clock.nowMs < notBeforeMs || clock.nowMs > notAfterMs) return fail(evidence);
      return notAfterMs - clock.nowMs < WARNING_DAYS * DAY_MS ? failAs('medium', evidence) : pass(evidence);
    }),
});
