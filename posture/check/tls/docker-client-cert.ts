import type { ListenerFact, Probe } from '../../fact/listener.ts';
import { fail, failAs, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { listenerCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { judgeProbe } from './probed.ts';

const EXPECTED = 'a client without a certificate is refused';

export const dockerClientCert = listenerCheck({
  id: 'tls.docker-client-cert',
  title: "Docker's TCP port refuses clients without a certificate",
  severity: 'critical',
  rationale:
    'Everybody who reaches this port without a certificate is root on the node: one request starts a container with the root file system in it. Such ports are found and abused within hours.',
  remediation:
    'Remove the tcp:// host from daemon.json, the flags and docker.socket, and use ssh:// contexts; or set tlsverify with tlscacert, tlscert and tlskey. tlsverify: false still turns encryption on, but admits everybody.',
  references: ['https://docs.docker.com/engine/security/protect-access/'],
  judges: 'listener',
  service: 'docker',
  needs: [],
  judge: (listener) => judgeProbe(listener, (probe, source) => judgeAnswer(listener, probe, source)),
});

function judgeAnswer(listener: ListenerFact, probe: Probe, source: string): Judgement {
  const answered: Evidence = {
    source,
    seen: `a client without a certificate was answered: ${quote(probe.answer)}`,
    expected: EXPECTED,
  };
  switch (probe.protocol) {
    case 'http':
      return open(listener, { ...answered, seen: `${answered.seen} (clear text)` });
    case 'other':
      return unknownBecause(`${source}: the port speaks neither HTTP nor TLS`);
    case 'tls':
      break;
  }
  switch (probe.clientCertificate) {
    case 'required':
      return pass({ ...answered, seen: `a client without a certificate was refused: ${quote(probe.answer)}` });
    case 'requested':
      return open(listener, { ...answered, seen: `${answered.seen} (a certificate was asked for, but not required)` });
    case 'notRequested':
      return open(listener, answered);
    case 'unknown':
      return unknownBecause(
        `${source}: whether a client certificate is required did not show (${quote(probe.answer)})`,
      );
  }
}

/** On loopback it is root for every account and every container on the network of the node, but for nobody else. */
function open(listener: ListenerFact, evidence: Evidence): Judgement {
  return listener.loopback ? failAs('high', evidence) : fail(evidence);
}
