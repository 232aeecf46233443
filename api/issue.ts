import * as s from '../posture/schema.ts';

/** Codes of issues. */
export const ISSUE_CODES = Object.freeze([
  'storeFailing',
  'diskFailing',
  'storeQuarantined',
  'storeSpace',
  'storeReplaced',
  'storeRepaired',
  'storeRestored',
  'tlsFilesMissing',
  'auditUnwritable',
  'vulnerabilityDatabase',
  'imagePolicies',
  'policySnapshot',
  'annotationFile',
  'waiverExpired',
  'waiverUnused',
  'waiverBroad',
  'apiCertificate',
  'identityProvider',
  'sinkPaused',
  'sinkRetrying',
  'sinkDropped',
  'sinkIncomplete',
  'sinkRejected',
  'sinkDiscarded',
  'clusterUnreadable',
  'policyReports',
  'denialsDropped',
  'nodeOffline',
  'nodeStale',
  'nodeNeverEnrolled',
  'nodeIdentityConflict',
  'imageContradiction',
  'nodeLimited',
  'nodeRepaired',
  'agentRestored',
  'agentDropped',
  'agentOverBudget',
] as const);

/** Something that does not work. Readers accept any code: a newer collector may know more. */
export const issue = s.object({
  code: s.openOneOf(ISSUE_CODES),
  subject: s.string('name of the node or sink, or path of the store'),
  text: s.string('what is wrong, for people'),
  advice: s.string('what to do about it'),
});
/** See {@link issue}. */
export type Issue = s.Infer<typeof issue>;

/** What does not work, worst first. */
export const issues = s.list(issue, 'what does not work, worst first; empty: everything works', 10_000);
/** The issues of {@link collectorStatus}, for readers that show nothing else of it. */
export const issueReport = s.object({ issues });
