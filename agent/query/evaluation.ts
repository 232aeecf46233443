import { compileExpression, evaluate } from '../../posture/expression.ts';
import type { Expression } from '../../posture/expression.ts';
import { FACT_SCHEMAS, QUERY_SCHEMAS } from '../../posture/fact/facts.ts';
import type { QueryFactName } from '../../posture/fact/facts.ts';
import { project } from '../../posture/projection.ts';
import { UNREAD_VARIABLE } from '../../posture/query/fact-types.ts';
import { jsonText } from './json-text.ts';
import type { WorkerReply, WorkerRequest } from './worker-protocol.ts';

/** What the worker thread does: keeps the expression that it compiled last, and evaluates it. */
export function createEvaluation(): (request: WorkerRequest) => WorkerReply {
  let expression: Expression | undefined;
  return (request) => {
    if (request.kind === 'compile') {
      const compiled = compileExpression(request.expression);
      expression = compiled.ok ? compiled.expression : undefined;
      if (!compiled.ok) return failed(compiled.problem);
      const { sysctls, fields } = compiled.expression;
      const needs = factsOf(compiled.expression);
      const labels = needs.includes('containers') && fields.has('labels');
      return { kind: 'compiled', needs, sysctls: [...sysctls], labels };
    }
    return expression === undefined ? failed('there is no expression to evaluate') : evaluateText(expression, request);
  };
}

function evaluateText(
  expression: Expression,
  { facts, maxRows, maxBytes }: Extract<WorkerRequest, { readonly kind: 'evaluate' }>,
): WorkerReply {
  const evaluated = evaluate(expression, project(facts), maxRows);
  if (!evaluated.ok) return failed(evaluated.problem);
  const text = jsonText(evaluated.value, maxBytes);
  if (!text.ok) return failed(text.problem);
  const { bytes, rows, truncated } = text;
  return { kind: 'answer', bytes, rows, truncated: truncated || evaluated.truncated, unread: evaluated.unread };
}

/** The facts that an expression needs. `unread` needs all that are stored; it does not cause a read of the node. */
function factsOf({ variables }: Expression): readonly QueryFactName[] {
  const names = Object.keys(QUERY_SCHEMAS) as QueryFactName[];
  return names.filter((name) => variables.has(name) || (variables.has(UNREAD_VARIABLE) && name in FACT_SCHEMAS));
}

function failed(problem: string): WorkerReply {
  return { kind: 'failed', problem };
}
