import * as s from '../posture/schema.ts';
import { time } from './part.ts';

const expiresMs = time('until when it can be used');

/** A code that signs a person in to the console, once. */
export const consoleCode = s.object({ code: s.string('what follows `#code=`', 512), expiresMs });

/** A session of the console. */
export const consoleSession = s.object({ token: s.string('session token', 4096), expiresMs });
/** See {@link consoleSession}. */
export type ConsoleSession = s.Infer<typeof consoleSession>;
