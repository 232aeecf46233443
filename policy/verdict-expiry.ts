import type { ImageEvidence } from './evidence.ts';
import { MAX_CLOCK_SKEW_MS } from './rule/judging.ts';
import type { Rule } from './rule/rules.ts';
import { fixGraceEnds } from './rule/vulnerability.ts';

/**
 * When what the rule says about the image becomes another answer although the evidence stays the same, in milliseconds
 * since the epoch; undefined: never. Never later than the answer really changes. Waivers are not part of a rule: whoever
 * applies them knows when they expire.
 */
export function ruleValidUntil(rule: Rule, evidence: ImageEvidence, now: number): number | undefined {
  const times = changesOf(rule, evidence, now).filter((at) => at > now);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** All times at which the answer can change, also those that have passed. The answer changes after that moment. */
function changesOf(rule: Rule, evidence: ImageEvidence, now: number): readonly number[] {
  const { configuration, database, distribution, scannedAt } = evidence;
  switch (rule.type) {
    case 'age': {
      const createdAt = configuration.state === 'seen' ? configuration.value.createdAt : configuration;
      return createdAt.state === 'seen' ? [createdAt.value + rule.maxAge, believedFrom(createdAt.value)] : [];
    }
    case 'scan':
      return scannedAt.state === 'seen' ? [scannedAt.value + rule.maxAge, believedFrom(scannedAt.value)] : [];
    case 'database':
      return database.state === 'seen'
        ? [database.value.builtAt + rule.maxAge, believedFrom(database.value.builtAt)]
        : [];
    case 'distribution': {
      const end = distribution.state === 'seen' ? distribution.value.endOfLifeAt : distribution;
      // The end itself is too late: from that moment on it is over.
      return end.state === 'seen' ? [end.value - (rule.minSupport ?? 0) - 1] : [];
    }
    case 'vulnerability':
      return [
        ...fixGraceEnds(rule, evidence, now).map((at) => at - 1),
        ...(database.state === 'seen' ? [believedFrom(database.value.builtAt)] : []),
      ];
    case 'architecture':
    case 'configuration':
    case 'package':
    case 'reference':
    case 'registry':
    case 'signature':
      return [];
  }
}

/** Until then a time that is ahead of the clock is not believed. */
function believedFrom(atMs: number): number {
  return atMs - MAX_CLOCK_SKEW_MS - 1;
}
