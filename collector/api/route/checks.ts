import { check, checkList } from '../../../api/check.ts';
import type { Check as ApiCheck } from '../../../api/check.ts';
import type { Check } from '../../../posture/check/check.ts';
import type { ControlLookup } from '../present.ts';
import * as s from '../../../posture/schema.ts';
import { text } from '../parameter.ts';
import { answer, jsonRoute, refuse } from '../route.ts';

/** GET /v1/checks */
export const listChecks = jsonRoute({
  method: 'GET',
  path: '/v1/checks',
  operation: 'listChecks',
  summary: 'All checks',
  description: 'Every check that this collector knows, by id.',
  refuses: [],
  answer: checkList,
  handle: (_input, { checks, controlsOf }) =>
    answer({ checks: checks.map((check) => presentCheck(check, controlsOf)) }),
});

/** GET /v1/checks/{check} */
export const getCheck = jsonRoute({
  method: 'GET',
  path: '/v1/checks/{check}',
  operation: 'getCheck',
  summary: 'One check',
  description: 'What it judges, why that matters and what to do.',
  refuses: ['notFound', 'invalidRequest'],
  params: s.object({ check: text('`container.privileged`', 128) }),
  answer: check,
  handle: ({ params }, { checks, controlsOf }) => {
    const found = checks.find((known) => known.id === params.check);
    return found === undefined
      ? refuse('notFound', `unknown check ${JSON.stringify(params.check)}`, 'GET /v1/checks lists them')
      : answer(presentCheck(found, controlsOf));
  },
});

function presentCheck(check: Check, controlsOf: ControlLookup): ApiCheck {
  return {
    id: check.id,
    title: check.title,
    failTitle: check.failTitle,
    judgedBy: check.judgedBy,
    severity: check.severity,
    severityLevels: check.severityLevels ?? [],
    judges: check.judges,
    needs: check.needs,
    rationale: check.rationale,
    remediation: check.remediation,
    references: check.references,
    controls: controlsOf(check.id).map(({ benchmark, control }) => ({ benchmark, control })),
  };
}
