import type { ListenerFact, Probe } from '../../fact/listener.ts';
import { notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence, Judgement } from '../../verdict.ts';
import { quote } from '../evidence-text.ts';

/** Judges the result of the probe of a port; `unknown` without a result. */
export function judgeProbe(listener: ListenerFact, judge: (probe: Probe, source: string) => Judgement): Judgement {
  const { probe } = listener;
  switch (probe.state) {
    case 'unreadable':
      return unknownBecause(`${probe.source}: ${probe.reason}`);
    case 'absent':
      return unknownBecause(`${probe.source}: the port was not probed`);
    case 'seen':
      return judge(probe.value, probe.source);
  }
}

/** As {@link judgeProbe}, for checks of TLS: they do not apply to a port without TLS. */
export function judgeTls(listener: ListenerFact, judge: (probe: Probe, source: string) => Judgement): Judgement {
  return judgeProbe(listener, (probe, source) => {
    switch (probe.protocol) {
      case 'http':
        return notApplicable('the port uses no TLS; see tls.docker-client-cert');
      case 'other':
        return unknownBecause(`${source}: the port uses neither HTTP nor TLS`);
      case 'tls':
        return judge(probe, source);
    }
  });
}

const EXPECTED = 'a client without a certificate is refused';

/** Judges whether a port requires a client certificate; `open` where it answers without. */
export function judgeClientCertificate(listener: ListenerFact, open: (evidence: Evidence) => Judgement): Judgement {
  return judgeProbe(listener, (probe, source) => judgeAnswer(probe, source, open));
}

function judgeAnswer(probe: Probe, source: string, open: (evidence: Evidence) => Judgement): Judgement {
  const answered: Evidence = {
    source,
    seen: `a client without a certificate was answered: ${quote(probe.answer)}`,
    expected: EXPECTED,
  };
  switch (probe.protocol) {
    case 'http':
      return open({ ...answered, seen: `${answered.seen} (clear text)` });
    case 'other':
      return unknownBecause(`${source}: the port uses neither HTTP nor TLS`);
    case 'tls':
      break;
  }
  switch (probe.clientCertificate) {
    case 'required':
      return pass({ ...answered, seen: `a client without a certificate was refused: ${quote(probe.answer)}` });
    case 'requested':
      return open({ ...answered, seen: `${answered.seen} (a certificate was asked for, but not required)` });
    case 'notRequested':
      return open(answered);
    case 'unknown':
      return unknownBecause(
        `${source}: it is unknown whether a client certificate is required (${quote(probe.answer)})`,
      );
  }
}
