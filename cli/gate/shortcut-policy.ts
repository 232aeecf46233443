import { POLICY_API_VERSION, POLICY_KIND, parsePolicy } from '../../policy/image-policy.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import type { Parsed } from '../../posture/schema.ts';
import type { Arguments } from '../arguments.ts';

/** What `--fail-on` takes; those that end in `=` are followed by a number. */
export const FAIL_ON_CHOICES = [
  'any',
  'critical',
  'high',
  'medium',
  'low',
  'negligible',
  'kev',
  'epss>=',
  'risk>=',
] as const;

/** Name of the policy that the options define. */
const SHORTCUT_NAME = 'command-line';

/**
 * The policy that `--fail-on` and `--max-db-age` are short for; undefined where neither is given. It applies to every
 * image beside the policies of files, so that options only make a gate stricter.
 */
export function shortcutPolicy(args: Arguments): Parsed<ImagePolicy | undefined> {
  const rules = shortcutRules(args);
  if (rules.length === 0) return { ok: true, value: undefined };
  const parsed = parsePolicy({
    value: { apiVersion: POLICY_API_VERSION, kind: POLICY_KIND, metadata: { name: SHORTCUT_NAME }, spec: { rules } },
    source: 'options',
  });
  return parsed.ok ? parsed : { ok: false, problem: describeProblem(parsed.problem) };
}

function shortcutRules(args: Arguments): readonly object[] {
  const onlyFixed = args.has('only-fixed') ? { fixAvailable: true } : {};
  const unrated = args.value('unknown-severity');
  const rules: object[] = args
    .values('fail-on')
    .map((word) => Object.assign({ type: 'vulnerability' }, conditionOf(word, unrated), onlyFixed));
  const maxAge = args.value('max-db-age');
  if (maxAge !== undefined) rules.push({ type: 'database', maxAge });
  return rules;
}

function conditionOf(word: string, unknownSeverity: string | undefined): object {
  if (word === 'any') return {};
  if (word === 'kev') return { knownExploited: true };
  const [, name, number = ''] = /^(epss|risk)>=(.*)$/.exec(word) ?? [];
  if (name !== undefined) return { [name]: /^\d+(?:\.\d+)?$/.test(number) ? Number(number) : number };
  return { severity: word, ...(unknownSeverity === undefined ? {} : { unknownSeverity }) };
}

/** A place in the policy that nobody has written means nothing to people: the option is named instead. */
function describeProblem(problem: string): string {
  const [, field, rest] = /^spec\.rules\[\d+\]\.(\w+): (.*)$/.exec(problem) ?? [];
  if (field === undefined || rest === undefined) return problem;
  return `${field === 'maxAge' ? '--max-db-age' : `--fail-on ${field}>=`}: ${rest}`;
}
