import * as s from '../posture/schema.ts';
import { count } from './part.ts';

/** What a waiver does. */
export const WAIVER_STATES = ['used', 'broad', 'unused', 'pending', 'expired', 'notReviewed'] as const;
/** What waivers accept. */
export const WAIVER_TARGETS = ['findings', 'vulnerabilities'] as const;

const words = (doc: string) => s.list(s.string(), doc, 1000);

/** A waiver of the collector, and what it does. */
export const waiver = s.object({
  target: s.oneOf(WAIVER_TARGETS),
  name: s.string('of findings: its name; of vulnerabilities: its file and place'),
  owner: s.string('who answers for it'),
  reason: s.string('why it is accepted'),
  from: s.nullable(s.string(), 'the first day (UTC) on which it applies: `2027-03-01`; absent: no such day is set'),
  expires: s.string('the last day (UTC) on which it applies: `2027-03-31`'),
  state: s.openOneOf(
    WAIVER_STATES,
    'broad: it accepts more than half of all; pending: it does not apply yet; notReviewed: the collector has just read it',
  ),
  findings: s.nullable(count(), 'findings that it accepts; absent: it is about vulnerabilities, or not reviewed'),
  images: s.nullable(
    count(),
    'images in which it accepts a vulnerability; absent: it is about findings, or not reviewed',
  ),
  match: s.object({
    checks: words('ids of checks'),
    subjects: words('patterns of names or ids of subjects'),
    nodes: words('patterns of names or ids of nodes'),
    imageIds: words('ids of images'),
    vulnerabilities: words('ids of vulnerabilities and advisories'),
    packages: words('patterns of names of packages'),
    images: words('patterns of references of images'),
  }),
});
/** See {@link waiver}. */
export type ListedWaiver = s.Infer<typeof waiver>;

/** Waivers, those that end first before others. */
export const waiverList = s.object({
  waivers: s.list(waiver, '', 10_000),
  omitted: count('waivers beyond 10,000, which are not listed'),
});
