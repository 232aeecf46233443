import { fail, failAs, pass, unknownBecause } from '../../verdict.ts';
import { listenerCheck } from '../check.ts';
import { isoTime } from '../evidence-text.ts';
import { judgeTls } from './probed.ts';
import { counted, parameterized } from '../parameter.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

export const dockerCertificateValidity = parameterized(
  {
    warningDays: { doc: 'days before its end from which a certificate fails', default: 30, minimum: 1, maximum: 3650 },
  },
  ({ warningDays }) =>
    listenerCheck({
      id: 'tls.docker-certificate-validity',
      title: `Docker TLS certificate is valid for ${counted(warningDays, 'day')}`,
      failTitle: 'Docker TLS certificate is invalid or expires soon',
      judgedBy: 'effect',
      severity: 'high',
      severityLevels: [
        { severity: 'high', when: 'the certificate is not valid now' },
        { severity: 'medium', when: `the certificate expires within ${counted(warningDays, 'day')}` },
      ],
      rationale:
        'With an expired certificate clients fail, or users disable verification, which hides an attacker in between.',
      remediation:
        'Issue a new server certificate from the private CA of the clients, store it where tlscert points, and restart Docker.',
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
            expected: `valid now and for ${String(warningDays)} days more`,
          };
          if (clock.nowMs > notAfterMs) return fail(`the certificate expired at ${isoTime(notAfterMs)}`, evidence);
          if (clock.nowMs < notBeforeMs)
            return fail(`the certificate is not valid before ${isoTime(notBeforeMs)}`, evidence);
          return notAfterMs - clock.nowMs < warningDays * DAY_MS
            ? failAs('medium', `the certificate expires at ${isoTime(notAfterMs)}`, evidence)
            : pass(evidence);
        }),
    }),
);
