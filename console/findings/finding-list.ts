import type { FleetFinding, FindingEvent, FindingPage } from '../../api/finding.ts';
import { compareFindings } from '../../api/finding-list.ts';
import { matches } from '../filter.ts';
import type { FindingFilter } from '../filter.ts';
import { count, counted } from '../../api/format.ts';

/** The part of a filtered list that is loaded: always its beginning, in the API's order. */
export interface FindingList {
  readonly findings: readonly FleetFinding[];
  /** Where the next page starts; null: all are here. */
  readonly cursor: string | null;
  /** How many findings match; where `isExact` is false, a lower bound. */
  readonly total: number;
  readonly isExact: boolean;
}

/** Nothing. */
export const EMPTY_LIST: FindingList = Object.freeze({ findings: [], cursor: null, total: 0, isExact: true });

/** `list` with the page that follows it. What came in the meantime as a change is not listed twice. */
export function appendPage(list: FindingList, page: FindingPage): FindingList {
  const known = new Set(list.findings.map(({ uid }) => uid));
  const findings = [...list.findings, ...page.findings.filter(({ uid }) => !known.has(uid))];
  // With a text the API counts only where that costs nothing. Later pages do not count again.
  const isExact = page.cursor === null || page.total !== null || (list.findings.length > 0 && list.isExact);
  const counted = page.total ?? (isExact ? list.total : 0);
  return { findings, cursor: page.cursor, total: Math.max(counted, findings.length), isExact };
}

/**
 * `list` after a change: its finding moves to its new place, goes, or comes. One whose place lies beyond what is
 * loaded only counts. A resolved finding that still says fail, unknown or manual is gone with its subject.
 */
export function applyEvent(list: FindingList, event: FindingEvent, filter: FindingFilter): FindingList {
  const { finding, action, previousVerdict } = event;
  const loaded = list.findings.find(({ uid }) => uid === finding.uid);
  const others = loaded === undefined ? list.findings : list.findings.filter((other) => other !== loaded);
  const isListed = matches(filter, finding) && !(action === 'resolved' && isOpen(finding));
  const place = placeIn(others, finding);
  const isWithin = place < others.length || list.cursor === null;
  const findings = isListed && isWithin ? others.toSpliced(place, 0, finding) : others;
  const wasListed = loaded !== undefined || wasCounted(event, filter, previousVerdict);
  const total = list.total + (isListed ? 1 : 0) - (wasListed ? 1 : 0);
  return { ...list, findings, total: Math.max(total, findings.length) };
}

/** `2,860 matches`, or `1,100 or more matches`. */
export function matchCount({ total, isExact }: FindingList): string {
  return isExact ? counted(total, 'match', 'matches') : `${count(total)} or more matches`;
}

/** Was a finding that is not loaded among those that were counted? Its severity before is not known: taken as now. */
function wasCounted(
  { finding, action }: FindingEvent,
  filter: FindingFilter,
  previousVerdict: FindingEvent['previousVerdict'],
): boolean {
  if (previousVerdict === null) return action !== 'opened' && matches(filter, finding);
  return matches(filter, { ...finding, verdict: previousVerdict });
}

function placeIn(findings: readonly FleetFinding[], finding: FleetFinding): number {
  let low = 0;
  let high = findings.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = findings[middle];
    if (other !== undefined && compareFindings(other, finding) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isOpen({ verdict }: FleetFinding): boolean {
  return verdict === 'fail' || verdict === 'unknown' || verdict === 'manual';
}
