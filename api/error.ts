import * as s from '../posture/schema.ts';

/** An answer that is no success; the texts are for people. `code` is not held to a list: a newer collector may know more. */
export const apiError = s.object({
  error: s.object({ code: s.string('', 64), message: s.string(), hint: s.nullable(s.string()) }),
});
/** See {@link apiError}. */
export type ApiError = s.Infer<typeof apiError>;
