import { readFileSync } from 'node:fs';
import t from 'tap';
import { outcomes, specificationTests } from './specification.ts';
import type { SpecificationTest } from './specification.ts';

/** The files of google/cel-spec that are about the language and the extensions that queries have. */
const FILES = (
  'basic bindings_ext comparisons conversions fields fp_math integer_math lists logic macros macros2 math_ext ' +
  'namespace parse plumbing string string_ext timestamps type_deductions'
).split(' ');

/** Where we disagree on purpose: why, and which tests. docs/decisions/0006-cel-evaluator.md says the same. */
const INTENDED: Readonly<Record<string, (test: SpecificationTest) => boolean>> = {
  'protocol buffer messages': ({ expr }) =>
    /TestAllTypes|google\.protobuf\.\w+\{|\bmsg\.|\btuple\(|^fn\(/.test(expr.replaceAll(/\s|\/\/ @/g, '')),
  bytes: ({ expr }) => /(?<![\w'"])[bB][rR]?['"]|\bbytes\b/.test(expr),
  'optional values': ({ expr }) => expr.includes('optional.'),
  'what is absent is null': ({ id }) =>
    /map_no_such_key|map_field_select_no_such_key|index_out_of_bounds|null_unsupported|null_lt_right|unconstrained_type_var/.test(
      id,
    ),
  'one failure does not fail the whole answer': ({ id }) =>
    /map\/list_error|filter\/list_no_shortcircuit|transform(?:List|Map)\/error/.test(id),
  'names and types are checked before the evaluation': ({ id }) =>
    /unbound_is_runtime_error|short_circuit_type|receiver_function_names|not_eq_list_length/.test(id),
  'integers are compared exactly with doubles': ({ id }) =>
    /dyn_int_big_lossy|dyn_big_double_int|dyn_int_big_double|lossy/.test(id),
  'one name space': ({ id }) => id.startsWith('namespace/namespace/'),
  'not read by the parser': ({ id }) => /quoted_map_fields|not_gt_double$|whitespace\/new_pages/.test(id),
  'types are not part of the answer': ({ id }) => /type_deductions\/.*list_parameter/.test(id),
};

await t.test('the conformance tests of the specification', async (t) => {
  const tests = specificationTests(FILES);
  const counts = new Map<string, number>();
  for (const test of tests) {
    const { expected, actual, detail } = outcomes(test);
    if (actual === expected) {
      counts.set('agree', (counts.get('agree') ?? 0) + 1);
      continue;
    }
    const reason = Object.entries(INTENDED).find(([, applies]) => applies(test))?.[0];
    if (reason === undefined) t.equal(actual, expected, `${test.id}: ${test.expr} (${detail})`);
    else counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const decision = readFileSync(new URL('../../../docs/decisions/0006-cel-evaluator.md', import.meta.url), 'utf8');
  t.match(decision, `${String(counts.get('agree'))} of ${String(tests.length)} agree`, 'the decision says how many');
  for (const reason of Object.keys(INTENDED))
    t.ok(
      new RegExp(`^- \\*\\*${reason}\\*\\* \\(${String(counts.get(reason))}\\)`, 'im').test(decision),
      `the decision names ${reason} (${String(counts.get(reason))})`,
    );
});
