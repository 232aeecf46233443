/**
 * A profile: which checks are judged, with which parameters and severities.
 *
 * ```yaml
 * apiVersion: plimsoll.dev/v1
 * kind: Profile
 * metadata: { name: production }
 * spec:
 *   benchmarks: [{ id: cis-docker-1.8.0, level: 1 }]
 *   include: [ssh, acme.company-registry]
 *   exclude: [{ check: daemon.live-restore, reason: Nodes are managers of a swarm }]
 *   severities: { daemon.icc: high }
 *   parameters: { container.capabilities: { allowed: [NET_ADMIN] } }
 * ```
 */
import { findBenchmark } from '../posture/benchmark/benchmark.ts';
import type { Benchmark } from '../posture/benchmark/benchmark.ts';
import type { Check } from '../posture/check/check.ts';
import { parameterProblem } from '../posture/check/parameter.ts';
import type { ParameterValue } from '../posture/check/parameter.ts';
import { suggestion } from '../posture/query/nearest.ts';
import { integer, list, nullable, oneOf, record, string, withDefault } from '../posture/schema.ts';
import type { Infer, Parsed } from '../posture/schema.ts';
import { SEVERITIES } from '../posture/verdict.ts';
import type { Judgement, Severity } from '../posture/verdict.ts';
import { strictObject } from '../policy/strict-object.ts';
import { parameterValue, TAILORING_API_VERSION } from './check-document.ts';

/** `kind` of the documents. */
export const PROFILE_KIND = 'Profile';

const checkId = string('', 128);

/** The schema of a document. */
const profileDocument = strictObject({
  apiVersion: oneOf([TAILORING_API_VERSION]),
  kind: oneOf([PROFILE_KIND]),
  metadata: strictObject({ name: string('', 128) }),
  spec: strictObject({
    benchmarks: withDefault(
      list(
        strictObject({
          id: string('`cis-docker-1.8.0`', 64),
          level: nullable(integer('controls up to this level; default: all', 1, 9)),
        }),
        'only the checks that their controls name',
        32,
      ),
      [],
    ),
    include: withDefault(list(checkId, 'only these checks, or areas, beside those of the benchmarks', 1000), []),
    exclude: withDefault(
      list(strictObject({ check: checkId, reason: string('', 1000) }), 'checks or areas that are not judged', 1000),
      [],
    ),
    severities: withDefault(record(oneOf(SEVERITIES), 'severity of failures by check', 1000), {}),
    parameters: withDefault(record(record(parameterValue, '', 32), 'values of parameters by check', 1000), {}),
  }),
});

type Spec = Infer<typeof profileDocument>['spec'];

/** A profile as it was written. */
export interface Profile extends Spec {
  readonly name: string;
}

/** A check that the profile leaves out, and why. */
export interface ExcludedCheck {
  readonly check: Check;
  readonly reason: string;
}

/** The checks that a profile chooses. */
export interface ProfiledChecks {
  /** With the parameters and severities of the profile. */
  readonly checks: readonly Check[];
  readonly excluded: readonly ExcludedCheck[];
}

/** The profile of one document, or what is wrong with it and where. */
export function parseProfile(value: unknown): Parsed<Profile> {
  const parsed = profileDocument.parse(value);
  if (!parsed.ok) return { ok: false, problem: parsed.problem.replace(/^\./, '') };
  const { metadata, spec } = parsed.value;
  if (!/^[a-z0-9][a-z0-9.-]*$/.test(metadata.name))
    return { ok: false, problem: 'metadata.name: expected lower-case letters, digits, dots and dashes' };
  const silent = spec.exclude.findIndex(({ reason }) => reason.trim() === '');
  if (silent !== -1)
    return { ok: false, problem: `spec.exclude[${String(silent)}].reason: expected a text that is not empty` };
  return { ok: true, value: { name: metadata.name, ...spec } };
}

/** The checks that a profile chooses of all, or what of it names nothing, and where. */
export function applyProfile(
  profile: Profile,
  all: readonly Check[],
  benchmarks: readonly Benchmark[],
): Parsed<ProfiledChecks> {
  const problem = problemOf(profile, all, benchmarks);
  if (problem !== undefined) return { ok: false, problem };
  const excluded = all.flatMap((check): readonly ExcludedCheck[] => {
    const reason = exclusionOf(check, profile, benchmarks);
    return reason === undefined ? [] : [{ check, reason }];
  });
  const left = new Set(excluded.map(({ check }) => check));
  const checks = all.filter((check) => !left.has(check)).map((check) => tailor(check, profile));
  return { ok: true, value: { checks, excluded } };
}

/** Why a check is left out; undefined: it is judged. */
function exclusionOf(
  { id }: Check,
  { name, benchmarks: chosen, include, exclude }: Profile,
  benchmarks: readonly Benchmark[],
): string | undefined {
  const named = exclude.find(({ check }) => isNamed(check, id));
  if (named !== undefined) return named.reason;
  if (chosen.length === 0 && include.length === 0) return undefined;
  if (include.some((word) => isNamed(word, id))) return undefined;
  const isChosen = chosen.some(({ id: wanted, level }) =>
    findBenchmark(wanted, benchmarks)?.controls.some(
      (control) => control.level <= (level ?? Infinity) && control.checks.includes(id),
    ),
  );
  return isChosen ? undefined : `not chosen by the profile ${name}`;
}

/** `ssh` names all checks of its area, `ssh.root-login` the one. */
function isNamed(word: string, id: string): boolean {
  return word === id || (!word.includes('.') && id.startsWith(`${word}.`));
}

function problemOf(profile: Profile, all: readonly Check[], benchmarks: readonly Benchmark[]): string | undefined {
  const ids = all.map(({ id }) => id);
  const words = new Set([...ids, ...ids.map((id) => id.split('.', 1)[0] ?? '')]);
  const unknown = (word: string, known: Iterable<string>): string =>
    `unknown check ${JSON.stringify(word.slice(0, 128))}${suggestion(word, known)}`;
  for (const [index, { id }] of profile.benchmarks.entries())
    if (findBenchmark(id, benchmarks) === undefined) {
      const meant = suggestion(
        id,
        benchmarks.map((benchmark) => benchmark.id),
      );
      return `spec.benchmarks[${String(index)}].id: unknown benchmark${meant}`;
    }
  for (const [index, word] of profile.include.entries())
    if (!words.has(word)) return `spec.include[${String(index)}]: ${unknown(word, words)}`;
  for (const [index, { check }] of profile.exclude.entries())
    if (!words.has(check)) return `spec.exclude[${String(index)}].check: ${unknown(check, words)}`;
  for (const id of Object.keys(profile.severities))
    if (!ids.includes(id)) return `spec.severities: ${unknown(id, ids)}`;
  for (const [id, values] of Object.entries(profile.parameters)) {
    const check = all.find((each) => each.id === id);
    if (check === undefined) return `spec.parameters: ${unknown(id, ids)}`;
    const known = check.parameters ?? {};
    for (const [name, value] of Object.entries(values)) {
      const place = `spec.parameters: ${id}.${name}`;
      const parameter = Object.hasOwn(known, name) ? known[name] : undefined;
      if (parameter === undefined) return `${place}: unknown parameter${suggestion(name, Object.keys(known))}`;
      const wrong = parameterProblem(parameter, value);
      if (wrong !== undefined) return `${place}: ${wrong}`;
    }
  }
  return undefined;
}

/** The check with the parameters and the severity of the profile. */
function tailor(check: Check, { parameters, severities }: Profile): Check {
  const values: Readonly<Record<string, ParameterValue>> | undefined = parameters[check.id];
  const changed = values === undefined ? check : (check.withParameters?.(values) ?? check);
  const severity = severities[check.id];
  return severity === undefined ? changed : withSeverity(changed, severity);
}

/** The check with one severity of all its failures. */
function withSeverity(check: Check, severity: Severity): Check {
  const {
    severityLevels: _levels,
    judge,
    ...rest
  } = check as Check & {
    readonly judge: (...facts: readonly unknown[]) => Judgement;
  };
  const judgeAs = (...facts: readonly unknown[]): Judgement => {
    const { severity: _own, ...judgement } = judge(...facts);
    return judgement;
  };
  return Object.freeze({ ...rest, severity, judge: judgeAs }) as Check;
}
