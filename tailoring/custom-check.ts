import { fileCheck, imageCheck, listenerCheck, nodeCheck } from '../posture/check/check.ts';
import type { Check, ContainerCheck } from '../posture/check/check.ts';
import { withoutDocker } from '../posture/check/daemon/setting.ts';
import { withoutKubelet } from '../posture/check/kubelet/setting.ts';
import { withoutServer } from '../posture/check/ssh/setting.ts';
import { CHECKS } from '../posture/check/registry.ts';
import { quote } from '../posture/check/evidence-text.ts';
import { compileCondition, compileExpression, evaluate, evaluateCondition } from '../posture/expression.ts';
import type { Compiled, Expression } from '../posture/expression.ts';
import type { ContainerFact } from '../posture/fact/container.ts';
import { FACT_SCHEMAS } from '../posture/fact/facts.ts';
import type { FactName, Facts } from '../posture/fact/facts.ts';
import { readValues } from '../posture/query/read-values.ts';
import type { Tree } from '../posture/query/tree.ts';
import type { CelType } from '../posture/query/type.ts';
import type { Parsed } from '../posture/schema.ts';
import { fail, notApplicable, pass, unknownBecause } from '../posture/verdict.ts';
import type { Evidence, Judgement } from '../posture/verdict.ts';
import type { CheckDefinition } from './check-document.ts';
import { parametersVariable, THREAD_FIELDS, variableTypes } from './check-variables.ts';
import type { CheckVariables } from './check-variables.ts';

/** Values of the condition that are shown as evidence, and rows of a list. */
const MAX_VALUES = 4;
const MAX_ROWS = 10;

const RESERVED_AREAS: ReadonlySet<string> = new Set(CHECKS.map(({ id }) => id.split('.', 1)[0] ?? ''));

/** The expressions of a check, compiled. */
interface Program {
  readonly applies: Expression | undefined;
  readonly condition: Expression;
  readonly message: Expression | undefined;
  /** What is shown of what was seen: one expression, or the values that the condition names. */
  readonly evidence: readonly Expression[];
  readonly facts: readonly FactName[];
  /** Fields that the decision names. */
  readonly fields: ReadonlySet<string>;
}

/** A check that was made of a definition. */
export interface CreatedCheck {
  readonly check: Check;
  /** Judges values of its variables, without facts of a node; the parameters are added. */
  readonly judgeValues: (values: ReadonlyMap<string, unknown>) => Judgement;
}

/**
 * The check of a definition, or what is wrong with it and where: `spec.condition: unknown fact …`. Its judge is pure
 * and bounded; what it could not read, or not within its bounds, it answers with `unknown`.
 */
export function createCustomCheck(definition: CheckDefinition, variables: CheckVariables): Parsed<CreatedCheck> {
  const [area = ''] = definition.id.split('.', 1);
  if (CHECKS.some(({ id }) => id === definition.id))
    return { ok: false, problem: `metadata.name: ${definition.id} is a check of Plimsoll; choose another area` };
  if (RESERVED_AREAS.has(area))
    return { ok: false, problem: `metadata.name: ${area} is an area of Plimsoll's checks; choose another one` };
  const compiled = compileProgram(definition);
  if (!compiled.ok) return compiled;
  const parameters = parametersVariable(definition.parameters);
  const judgeValues = (values: ReadonlyMap<string, unknown>): Judgement =>
    judgeProgram(compiled.value, new Map([...values, ['parameters', parameters]]), () => undefined);
  return { ok: true, value: { check: tailorable(definition, compiled.value, variables), judgeValues } };
}

/** The check, which a profile can give other values of its parameters. They are of the same type, so they compile too. */
function tailorable(definition: CheckDefinition, program: Program, variables: CheckVariables): Check {
  const check = checkOf(definition, program, variables);
  const names = Object.entries(definition.parameters);
  if (names.length === 0) return check;
  const parameters = Object.fromEntries(
    names.map(([name, value]) => [name, { doc: 'of a custom check', default: value }]),
  );
  const withParameters = (values: CheckDefinition['parameters']): Check => {
    const parameterValues = { ...definition.parameters, ...values };
    const tailored = checkOf({ ...definition, parameters: parameterValues }, program, variables);
    return Object.freeze({ ...tailored, parameters, parameterValues, withParameters });
  };
  return withParameters({});
}

function compileProgram(definition: CheckDefinition): Parsed<Program> {
  const { subject, parameters } = definition;
  const types = variableTypes(subject, parameters);
  const expressions: Partial<Record<'applies' | 'condition' | 'message' | 'evidence', Expression>> = {};
  for (const field of ['applies', 'condition', 'message', 'evidence'] as const) {
    const text = definition[field];
    if (text === null) continue;
    const compiled = compileField(field, text, types);
    if (!compiled.ok) return { ok: false, problem: `spec.${field}: ${compiled.problem}` };
    expressions[field] = compiled.expression;
  }
  const { applies, condition, message, evidence } = expressions;
  if (condition === undefined) return { ok: false, problem: 'spec.condition: expected an expression' };
  const named = (name: string): boolean => Object.values(expressions).some(({ variables }) => variables.has(name));
  if (![...condition.variables].some((name) => name !== 'parameters'))
    return { ok: false, problem: 'spec.condition: names no fact, so its answer would always be the same' };
  const shown = readValues(condition.tree, condition.text).filter(({ at }) => !isParameter(condition.text, at.start));
  const value: Program = {
    applies,
    condition,
    message,
    evidence: evidence === undefined ? shown.slice(0, MAX_VALUES).map((tree) => partOf(condition, tree)) : [evidence],
    facts: (Object.keys(FACT_SCHEMAS) as FactName[]).filter(named),
    fields: new Set([...condition.fields, ...(applies?.fields ?? [])]),
  };
  return { ok: true, value };
}

/** A part of an expression as one of its own. */
function partOf(whole: Expression, tree: Tree): Expression {
  return { ...whole, tree, text: whole.text.slice(tree.at.start, tree.at.end) };
}

function isParameter(text: string, start: number): boolean {
  return /^parameters\b/.test(text.slice(start, start + 11));
}

function compileField(field: string, text: string, types: ReadonlyMap<string, CelType>): Compiled {
  if (field === 'applies' || field === 'condition') return compileCondition(text, types);
  const compiled = compileExpression(text, types);
  if (field !== 'message' || !compiled.ok) return compiled;
  const { kind } = compiled.expression.type;
  if (kind === 'string' || kind === 'dyn') return compiled;
  return { ok: false, problem: `expected an expression that gives a text, not ${kind}` };
}

function checkOf(definition: CheckDefinition, program: Program, variables: CheckVariables): Check {
  const { id, title, failTitle, severity, rationale, remediation, references, subject } = definition;
  const judgedBy = 'configuration' as const;
  const texts = { id, title, failTitle, judgedBy, severity, rationale, remediation, references };
  const parameters = parametersVariable(definition.parameters);
  const needs = program.facts;
  const judge = (facts: Facts | undefined, own: unknown, isPartial: () => string | undefined): Judgement => {
    const values = new Map(facts === undefined ? [] : variables.facts(facts, needs));
    values.set('parameters', parameters);
    if (own !== undefined) values.set(subject, own);
    return judgeProgram(program, values, isPartial);
  };
  const named = (fact: FactName): boolean => needs.includes(fact);
  const unreadThreads = (facts: Facts) => (): string | undefined =>
    named('containers') && facts.containers.state === 'seen'
      ? facts.containers.value.map((one) => missingThreads(program, one)).find((reason) => reason !== undefined)
      : undefined;
  switch (subject) {
    case 'docker':
    case 'kubelet':
    case 'sshd':
      return nodeCheck({
        ...texts,
        judges: subject,
        needs: [...new Set([...needs, subject])],
        judge: (facts) =>
          withoutDaemon(subject, facts as Facts) ?? judge(facts as Facts, undefined, unreadThreads(facts as Facts)),
      });
    case 'node':
      return nodeCheck({
        ...texts,
        judges: subject,
        needs,
        judge: (facts) => judge(facts as Facts, undefined, unreadThreads(facts as Facts)),
      });
    case 'container':
      // Not with `containerCheck`: the expression may read every field of a fact.
      return Object.freeze<ContainerCheck>({
        ...texts,
        judges: 'container',
        needs,
        judge: (container, facts) =>
          judge(
            facts,
            variables.subject('container', container),
            () => missingThreads(program, container) ?? unreadThreads(facts)(),
          ),
      });
    case 'image':
      return imageCheck({
        ...texts,
        judges: 'image',
        needs,
        judge: (image, facts) =>
          judge(facts as Facts, variables.subject('image', image), unreadThreads(facts as Facts)),
      });
    case 'listener':
      return listenerCheck({
        ...texts,
        judges: 'listener',
        service: 'docker',
        needs,
        judge: (port, facts) =>
          judge(facts as Facts, variables.subject('listener', port), unreadThreads(facts as Facts)),
      });
    case 'file':
      return fileCheck({
        ...texts,
        judges: 'file',
        role: definition.role ?? 'daemonJson',
        needs: [],
        judge: (file) => judge(undefined, variables.subject('file', file), () => undefined),
      });
  }
}

/** The judgement of a daemon that is not there, as by the checks of Plimsoll; undefined: it is there. */
function withoutDaemon(
  subject: 'docker' | 'kubelet' | 'sshd',
  { docker, kubelet, sshd }: Facts,
): Judgement | undefined {
  if (subject === 'kubelet') return withoutKubelet(kubelet);
  return subject === 'sshd' ? withoutServer(sshd.present) : withoutDocker(docker);
}

/** Why a container does not let a check pass that looks at its threads; undefined: every one of them was read. */
function missingThreads({ fields }: Program, { name, complete, incompleteReason }: ContainerFact): string | undefined {
  if (complete || ![...fields].some((field) => THREAD_FIELDS.has(field))) return undefined;
  return `not every thread of ${name} was seen: ${incompleteReason}`;
}

function judgeProgram(
  program: Program,
  values: ReadonlyMap<string, unknown>,
  isPartial: () => string | undefined,
): Judgement {
  const { applies, condition, message } = program;
  if (applies !== undefined) {
    const applicable = evaluateCondition(applies, values);
    if (!applicable.known) return unknownBecause(applicable.reason, ...evidenceOf(program, values));
    if (!applicable.value) return notApplicable(`it does not apply: ${oneLine(applies.text)} is false`);
  }
  const holds = evaluateCondition(condition, values);
  const evidence = evidenceOf(program, values);
  if (!holds.known) return unknownBecause(holds.reason, ...evidence);
  if (!holds.value) return fail(messageOf(message, values) ?? `${oneLine(condition.text)} is false`, ...evidence);
  const partial = isPartial();
  return partial === undefined ? pass(...evidence) : unknownBecause(partial, ...evidence);
}

function messageOf(message: Expression | undefined, values: ReadonlyMap<string, unknown>): string | undefined {
  if (message === undefined) return undefined;
  const evaluated = evaluate(message, { variables: values });
  return evaluated.ok && typeof evaluated.value === 'string' && evaluated.value !== ''
    ? quote(evaluated.value)
    : undefined;
}

/** What was seen, beside the condition: whoever reads the finding later sees by what it was judged. */
function evidenceOf({ evidence, condition }: Program, values: ReadonlyMap<string, unknown>): readonly Evidence[] {
  return evidence.map((expression) => ({
    source: oneLine(expression.text),
    seen: seenText(expression, values),
    expected: oneLine(condition.text),
  }));
}

function seenText(expression: Expression, values: ReadonlyMap<string, unknown>): string {
  const evaluated = evaluate(expression, { variables: values }, MAX_ROWS);
  if (!evaluated.ok) return `not known: ${quote(evaluated.problem)}`;
  const [unread] = evaluated.unread;
  if (unread !== undefined && evaluated.value === null) return `not read: ${quote(unread)}`;
  return quote(JSON.stringify(evaluated.value)) + (evaluated.truncated ? ' and more' : '');
}

function oneLine(text: string): string {
  return quote(text.replaceAll(/\s+/g, ' ').trim());
}
