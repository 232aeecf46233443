import { digestOf } from '../../../posture/digest.ts';
import type { Finding } from '../../../posture/finding.ts';
import { toWire } from '../../../proto/finding-codec.ts';
import type { AgentMessage, FindingDelta, Heartbeat, Hello } from '../../../proto/fleet.ts';
import { finding, T0 } from '../store/fleet.ts';

/** A Hello; what is not said is epoch `e1` with nothing acked. */
export function hello(over: Partial<Hello> = {}): AgentMessage {
  return {
    hello: {
      agentVersion: '0.1.0',
      capabilities: ['query'],
      epoch: 'e1',
      ackedSequence: 0,
      nodeName: 'web-1',
      ...over,
    },
  };
}

/** A delta of one message. */
export function delta(sequence: number, put: readonly Finding[], over: Partial<FindingDelta> = {}): AgentMessage {
  return { delta: { sequence, last: true, put: put.map(toWire), observedAtMs: T0, ...over } };
}

/** A delta of one message that is the whole state. */
export function snapshot(sequence: number, put: readonly Finding[]): AgentMessage {
  return delta(sequence, put, { snapshot: true });
}

/** What a node with these findings says about itself. */
export function heartbeat(sequence: number, findings: readonly Finding[], over: Partial<Heartbeat> = {}): AgentMessage {
  return {
    heartbeat: { sequence, digest: digestOf(findings), findings: findings.length, rssBytes: 1, cpuMs: 1, ...over },
  };
}

/** A finding on a container with this name. */
export function on(name: string, over: Partial<Finding> = {}): Finding {
  return finding({ on: name, ...over });
}
