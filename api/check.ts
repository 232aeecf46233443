import * as s from '../posture/schema.ts';
import { control, severity } from './part.ts';

/** A check, as documentation. */
export const check = s.object({
  id: s.string(),
  title: s.string(),
  severity,
  judges: s.string(),
  needs: s.list(s.string(), '', 64),
  rationale: s.string(),
  remediation: s.string(),
  references: s.list(s.string(), '', 64),
  controls: s.list(control, '', 256),
});
/** See {@link check}. */
export type Check = s.Infer<typeof check>;

/** All checks. */
export const checkList = s.object({ checks: s.list(check, '', 10_000) });
