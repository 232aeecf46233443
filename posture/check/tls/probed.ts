import type { ListenerFact, Probe } from '../../fact/listener.ts';
import { notApplicable, unknownBecause } from '../../verdict.ts';
import type { Judgement } from '../../verdict.ts';

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
