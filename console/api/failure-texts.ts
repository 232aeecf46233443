import type { FailureTexts } from '../../api/client.ts';

/** What the page shows for failures that the collector does not describe itself. */
export const FAILURE_TEXTS: FailureTexts = Object.freeze({
  unreachable: () => ['The collector cannot be reached.', 'Is it running, and is the way to it open?'],
  late: ['The collector took too long to answer.', 'It may be busy: try again.'],
  tooLarge: ['The answer is larger than this page reads.', ''],
  unreadable: (problem) => [
    `The answer of the collector could not be read (${problem}).`,
    'Reload the page: it may be older than the collector.',
  ],
} satisfies FailureTexts);
