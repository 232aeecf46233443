import * as s from '../posture/schema.ts';

/**
 * Something that does not work. `subject`: a node or a sink by name, or the path of the store. `code` is not held to a
 * list: a newer collector may know more.
 */
export const issue = s.object({ code: s.string('', 64), subject: s.string(), text: s.string(), advice: s.string() });
/** See {@link issue}. */
export type Issue = s.Infer<typeof issue>;

/** What does not work, worst first. */
export const issues = s.list(issue, '', 10_000);
/** How the collector is doing, for those who only show what does not work. */
export const issueReport = s.object({ issues });
