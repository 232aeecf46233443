import { z } from 'zod';
import type { Check as ApiCheck } from '../../../api/check.ts';
import type { Check } from '../../../posture/check/check.ts';
import { CHECKS } from '../../../posture/check/registry.ts';
import type { Answers } from '../answers.ts';
import type { ControlLookup } from '../present.ts';
import { answer, jsonRoute, refuse } from '../route.ts';
import { controlReferenceSchema, severitySchema } from '../schema.ts';

/** A check, as documentation. */
const checkSchema = z.strictObject({
  id: z.string(),
  title: z.string(),
  severity: severitySchema,
  judges: z.enum(['node', 'docker', 'sshd', 'container', 'image', 'file', 'listener']),
  needs: z.array(z.string()).describe('facts that it reads besides what it judges'),
  rationale: z.string(),
  remediation: z.string(),
  references: z.array(z.string()),
  controls: z.array(controlReferenceSchema),
}) satisfies Answers<ApiCheck>;

/** GET /v1/checks */
export const listChecks = jsonRoute({
  method: 'GET',
  path: '/v1/checks',
  operation: 'listChecks',
  summary: 'All checks',
  description: 'Every check that this collector knows, by id.',
  refuses: [],
  answer: z.strictObject({ checks: z.array(checkSchema) }),
  handle: (_input, { controlsOf }) => answer({ checks: CHECKS.map((check) => presentCheck(check, controlsOf)) }),
});

/** GET /v1/checks/{check} */
export const getCheck = jsonRoute({
  method: 'GET',
  path: '/v1/checks/{check}',
  operation: 'getCheck',
  summary: 'One check',
  description: 'What it judges, why that matters and what to do.',
  refuses: ['notFound', 'invalidRequest'],
  params: z.strictObject({ check: z.string().min(1).max(128).describe('`container.privileged`') }),
  answer: checkSchema,
  handle: ({ params }, { controlsOf }) => {
    const check = CHECKS.find((known) => known.id === params.check);
    return check === undefined
      ? refuse('notFound', `there is no check ${JSON.stringify(params.check)}`, 'GET /v1/checks lists them')
      : answer(presentCheck(check, controlsOf));
  },
});

function presentCheck(check: Check, controlsOf: ControlLookup): z.input<typeof checkSchema> {
  return {
    id: check.id,
    title: check.title,
    severity: check.severity,
    judges: check.judges,
    needs: [...check.needs],
    rationale: check.rationale,
    remediation: check.remediation,
    references: [...check.references],
    controls: controlsOf(check.id).map(({ benchmark, control }) => ({ benchmark, control })),
  };
}
