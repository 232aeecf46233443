import { readFileSync } from 'node:fs';
import { digestOf } from '../../posture/digest.ts';
import { findingId } from '../../posture/finding.ts';
import type { Finding, Subject } from '../../posture/finding.ts';
import { toWire } from '../../proto/finding-codec.ts';
import { encodeAgentMessage, MAX_FINDINGS_PER_MESSAGE } from '../../proto/fleet.ts';

/** What happens to findings: `first`: all are new; the others change what is there, `mixed` in all these ways. */
export const PHASES = ['first', 'evidence', 'verdicts', 'churn', 'mixed'] as const;
export type Phase = (typeof PHASES)[number];

/** The messages of one node in one phase, 500 changes each, and what the node has after them. */
export interface Traffic {
  readonly messages: readonly Buffer[];
  readonly changes: number;
  readonly lastSequence: number;
}

/** One node with findings as `plimsoll scan` gave them, on as many containers as are needed. */
export interface BenchNode {
  readonly id: string;
  readonly next: (phase: Phase, changes: number) => Traffic;
  readonly digest: () => number;
  readonly findings: () => number;
}

/** The findings in the output of `plimsoll scan --output json`. */
export function readTemplates(path: string): readonly Finding[] {
  const { findings } = JSON.parse(readFileSync(path, 'utf8')) as { readonly findings: readonly Finding[] };
  return findings;
}

/** A node of about `size` findings. */
export function benchNode(id: string, templates: readonly Finding[], size: number): BenchNode {
  const ofContainers = templates.filter(({ subject }) => subject.kind === 'container');
  const containers = [...Map.groupBy(ofContainers, ({ subject }) => subject.id).values()];
  const state = new Map<string, Finding>();
  let sequence = 0;
  let round = 0;
  let made = 0;

  /** Findings on containers that nobody has seen before. */
  const fresh = function* (): Generator<Finding> {
    for (;;) {
      made += 1;
      const hex = `${id.replaceAll(/\D/g, '')}${made.toString(16).padStart(8, '0')}`.padStart(16, '0').repeat(4);
      for (const template of containers[made % containers.length] ?? [])
        yield onContainer(template, hex, `web-${String(made)}`);
    }
  };
  const freshFindings = fresh();
  const newOne = (): Finding => freshFindings.next().value as Finding;

  const whole = (): Finding[] => {
    const all = templates.filter(({ subject }) => subject.kind !== 'container');
    while (all.length < size) all.push(newOne());
    return all;
  };
  const message = (
    put: readonly Finding[],
    gone: readonly string[],
    part?: { index: number; last: boolean },
  ): Buffer => {
    if ((part?.index ?? 0) === 0) sequence += 1;
    return encodeAgentMessage({
      delta: {
        sequence,
        part: part?.index ?? 0,
        last: part?.last ?? true,
        snapshot: part !== undefined,
        put: put.map(toWire),
        gone: [...gone],
        observedAtMs: Date.now(),
      },
    });
  };
  const change = (phase: Phase, index: number, finding: Finding): Finding => {
    const kind = phase === 'mixed' ? (index % 2 === 0 ? 'evidence' : 'verdicts') : phase;
    return kind === 'verdicts' ? flipped(finding) : otherEvidence(finding, round);
  };
  const delta = (phase: Phase, changes: number): Buffer => {
    round += 1;
    const put: Finding[] = [];
    const gone: string[] = [];
    const old = [...state.values()].filter(({ subject }) => subject.kind === 'container');
    // Mixed: eight changes of content, one finding gone, one new.
    const replaced = phase === 'churn' ? changes / 2 : phase === 'mixed' ? changes / 10 : 0;
    for (const finding of old.slice(0, replaced)) {
      gone.push(finding.id);
      state.delete(finding.id);
    }
    for (let index = 0; index < replaced; index += 1) put.push(newOne());
    const start = (round * changes) % state.size;
    const kept = [...state.values()];
    for (let index = 0; put.length + gone.length < changes; index += 1) {
      const finding = kept[(start + index) % kept.length];
      if (finding !== undefined) put.push(change(phase, index, finding));
    }
    for (const finding of put) state.set(finding.id, finding);
    return message(put, gone);
  };

  return {
    id,
    next: (phase, changes) => {
      if (phase !== 'first') {
        const messages: Buffer[] = [];
        for (let done = 0; done < changes; done += MAX_FINDINGS_PER_MESSAGE)
          messages.push(delta(phase, MAX_FINDINGS_PER_MESSAGE));
        return { messages, changes: messages.length * MAX_FINDINGS_PER_MESSAGE, lastSequence: sequence };
      }
      const all = whole();
      for (const finding of all) state.set(finding.id, finding);
      const messages: Buffer[] = [];
      for (let index = 0; index * MAX_FINDINGS_PER_MESSAGE < all.length; index += 1) {
        const [from, to] = [index * MAX_FINDINGS_PER_MESSAGE, (index + 1) * MAX_FINDINGS_PER_MESSAGE];
        messages.push(message(all.slice(from, to), [], { index, last: to >= all.length }));
      }
      return { messages, changes: all.length, lastSequence: sequence };
    },
    digest: () => digestOf(state.values()),
    findings: () => state.size,
  };
}

function onContainer(template: Finding, id: string, name: string): Finding {
  const subject: Subject = { kind: 'container', id, name };
  return { ...template, subject, id: findingId(template.check, subject) };
}

function flipped(finding: Finding): Finding {
  const { reason: _, ...rest } = finding;
  return { ...rest, verdict: finding.verdict === 'fail' ? 'pass' : 'fail' };
}

function otherEvidence(finding: Finding, round: number): Finding {
  const [first, ...others] = finding.evidence;
  if (first === undefined) return { ...finding, reason: `looked at in round ${String(round)}` };
  return { ...finding, evidence: [{ ...first, seen: `${first.seen.slice(0, 200)} (${String(round)})` }, ...others] };
}
