import { waiverList } from '../../../api/waiver.ts';
import type { ListedWaiver } from '../../../api/waiver.ts';
import { waiverEnd } from '../../../policy/waiver.ts';
import type { Waiver } from '../../../policy/waiver.ts';
import type { VulnerabilityWaiverUse } from '../../image/suppression-rules.ts';
import type { ListedFindingWaiver } from '../../waiver/keep-waivers.ts';
import { compareText } from '../../../posture/text-order.ts';
import { answer, jsonRoute } from '../route.ts';
import type { Sent } from '../route.ts';

/** Waivers that one answer holds. */
const MAX_WAIVERS = 10_000;
/** Patterns and ids of one condition that are listed. */
const MAX_WORDS = 1000;

/** GET /v1/waivers */
export const listWaivers = jsonRoute({
  method: 'GET',
  path: '/v1/waivers',
  operation: 'listWaivers',
  summary: 'The waivers of the setting `waivers`, and what they accept',
  description: 'Of findings and of vulnerabilities; those that end first come first.',
  refuses: [],
  answer: waiverList,
  handle: (_input, { waiverUses }) => {
    const { findings, vulnerabilities } = waiverUses();
    const all = [...findings.map(presentFindingWaiver), ...vulnerabilities.map(presentVulnerabilityWaiver)].toSorted(
      (one, other) => compareText(one.expires, other.expires) || compareText(one.name, other.name),
    );
    return answer({ waivers: all.slice(0, MAX_WAIVERS), omitted: Math.max(0, all.length - MAX_WAIVERS) });
  },
});

const NOTHING = {
  checks: [],
  subjects: [],
  nodes: [],
  imageIds: [],
  vulnerabilities: [],
  packages: [],
  images: [],
} as const;

function presentFindingWaiver({ waiver, state, findings }: ListedFindingWaiver): Sent<ListedWaiver> {
  const { name, owner, reason, match } = waiver;
  const { checks, subjects, nodes, imageIds } = match;
  return {
    target: 'findings',
    name,
    owner,
    reason,
    from: firstDay(waiver),
    expires: waiverEnd(waiver.expiresMs),
    state: state ?? 'notReviewed',
    findings: state === undefined ? undefined : findings,
    match: { ...NOTHING, checks, subjects, nodes, imageIds },
  };
}

function presentVulnerabilityWaiver({ waiver, state, images }: VulnerabilityWaiverUse): Sent<ListedWaiver> {
  const { ids, packages, images: patterns, reason, owner, expiresAt, source } = waiver;
  return {
    target: 'vulnerabilities',
    name: source,
    owner,
    reason,
    expires: waiverEnd(Math.min(expiresAt, 8.64e15)),
    state: state ?? 'notReviewed',
    images: state === undefined ? undefined : images,
    match: {
      ...NOTHING,
      vulnerabilities: ids.slice(0, MAX_WORDS),
      packages: packages.slice(0, MAX_WORDS),
      images: patterns.slice(0, MAX_WORDS),
    },
  };
}

function firstDay({ fromMs }: Waiver): string | undefined {
  return fromMs === 0 ? undefined : new Date(fromMs).toISOString().slice(0, 10);
}
