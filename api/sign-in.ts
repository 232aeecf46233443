import * as s from '../posture/schema.ts';

/** What signs a person in to the console, once and until `expiresMs`. */
export const consoleCode = s.object({ code: s.string('', 512), expiresMs: s.integer() });
/** See {@link consoleCode}. */
export type ConsoleCode = s.Infer<typeof consoleCode>;

/** A session of the console that was signed in to. */
export const consoleSession = s.object({ token: s.string('', 4096), expiresMs: s.integer() });
/** See {@link consoleSession}. */
export type ConsoleSession = s.Infer<typeof consoleSession>;
