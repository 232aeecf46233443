import type { ListenerFact, Probe } from '../../fact/listener.ts';
import { notApplicable, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';

/** Judges what the probe of a port found, by its source; `unknown` where the probe found nothing out. */
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

/** As {@link judgeProbe}, for questions about TLS: they do not arise on a port that speaks clear text. */
export function judgeTls(listener: ListenerFact, judge: (probe: Probe, source: string) => Judgement): Judgement {
  return judgeProbe(listener, (probe, source) => {
    switch (probe.protocol) {
      case 'http':
        return notApplicable('the port speaks clear text; see tls.docker-client-cert');
      case 'other':
        return unknownBecause(`${source}: the port speaks neither HTTP nor TLS`);
      case 'tls':
        return judge(probe, source);
    }
  });
}
