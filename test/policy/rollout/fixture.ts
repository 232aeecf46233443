import { createHash } from 'node:crypto';
import { parseRolloutPolicy } from '../../../policy/rollout/rollout-policy.ts';
import type { RolloutPolicy } from '../../../policy/rollout/rollout-policy.ts';
import type { ExposedVulnerability, ImageExposure } from '../../../policy/rollout/exposure.ts';
import { planRollouts } from '../../../policy/rollout/plan.ts';
import type { Plan, PlanEntry, PlanInput } from '../../../policy/rollout/plan.ts';
import type { Candidate, SuccessorSearch } from '../../../policy/rollout/successor.ts';
import type { RolloutRecord, Workload } from '../../../policy/rollout/workload.ts';

export const NOW = Date.parse('2026-11-25T12:00:00Z'); // A Wednesday.
export const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
export const OLD = digest('a');
export const IMAGE = 'registry.example.com/shop/db:16';
export const FIXED = `${IMAGE}@${digest('b')}`;
export const NODE = 'node-uid';

/** A policy in mode apply with automatic approval; `spec` replaces its fields. */
export function rolloutPolicy(spec: object = {}, name = 'shop'): RolloutPolicy {
  const parsed = parseRolloutPolicy({
    value: {
      apiVersion: 'plimsoll.dev/v1',
      kind: 'RolloutPolicy',
      metadata: { name },
      spec: { trigger: { severity: 'high', knownExploited: true }, mode: 'apply', approval: 'automatic', ...spec },
    },
    source: 'test',
  });
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

export function vulnerability(fields: Partial<ExposedVulnerability> = {}): ExposedVulnerability {
  const defaults = { isExploited: false, epss: undefined, isFixable: true, hasExpiredWaiver: false } as const;
  return { id: 'CVE-2026-1', package: 'openssl', severity: 'high', ...defaults, ...fields };
}

export function exposure(fields: Partial<ImageExposure> = {}): ImageExposure {
  return {
    imageId: OLD,
    digests: [OLD],
    containers: [{ nodeId: NODE, id: 'c1' }],
    source: 'layers',
    vulnerabilities: [vulnerability()],
    endOfLifeMs: undefined,
    ...fields,
  };
}

export function workload(fields: Partial<Workload> = {}): Workload {
  const name = fields.name ?? 'db';
  return {
    kind: 'Deployment',
    namespace: 'shop',
    name,
    uid: `uid-${fields.namespace ?? 'shop'}-${name}`,
    resourceVersion: '7',
    labels: { tier: 'data' },
    managedBy: undefined,
    selector: { matchLabels: { app: name } },
    replicas: 3,
    containers: [{ name: 'db', image: IMAGE, isInit: false }],
    maxUnavailable: 0,
    isUpdatedByController: true,
    isPaused: false,
    isReady: true,
    pods: [{ name: `${name}-1`, nodeUid: NODE, containers: [{ name: 'db', id: 'c1', digest: '' }] }],
    disruptionBudgets: [],
    record: undefined,
    ...fields,
  };
}

export function candidate(fields: Partial<Candidate> = {}): Candidate {
  return {
    reference: FIXED,
    digest: digest('b'),
    state: 'judged',
    outcome: 'allow',
    reasons: [],
    vulnerabilities: [],
    endOfLifeMs: undefined,
    ...fields,
  };
}

export function rolloutRecord(fields: Partial<RolloutRecord> = {}): RolloutRecord {
  return {
    id: 'r1',
    policy: 'shop',
    phase: 'done',
    sinceMs: NOW,
    changes: [{ container: 'db', from: IMAGE, to: FIXED }],
    replicas: null,
    offline: null,
    reason: '',
    readinessMs: 600_000,
    observeMs: 300_000,
    refused: [],
    failures: [],
    ...fields,
  };
}

/** Plans, answering every search with `search`; undefined: no search is answered. */
export function planWith(input: Partial<PlanInput>, search?: SuccessorSearch): Plan {
  const whole: PlanInput = {
    policies: [rolloutPolicy()],
    workloads: [workload()],
    exposures: [exposure()],
    isDenied: () => false,
    successors: new Map(),
    decisions: new Map(),
    isPaused: false,
    hash: (text) => createHash('sha256').update(text).digest('hex'),
    now: NOW,
    ...input,
  };
  const first = planRollouts(whole);
  if (search === undefined) return first;
  return planRollouts({ ...whole, successors: new Map(first.wanted.map(({ key }) => [key, search])) });
}

export const found = (...candidates: readonly Candidate[]): SuccessorSearch => ({ candidates, problem: '' });

/** What is planned for the only workload. */
export function entryWith(input: Partial<PlanInput>, search?: SuccessorSearch): PlanEntry {
  const [entry] = planWith(input, search).entries;
  if (entry === undefined) throw new Error('nothing is planned');
  return entry;
}
