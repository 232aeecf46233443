import { readBoundedText } from '../../image/policy/bounded-text.ts';
import { BENCHMARKS } from '../../posture/benchmark/benchmark.ts';
import * as s from '../../posture/schema.ts';
import type { Parsed } from '../../posture/schema.ts';

const MAX_REPORT_BYTES = 64 * 1024 * 1024;
const MAX_RESULTS = 10_000;

/** What another tool says of a control: it passes, it fails, or it is left to a person. */
type PeerVerdict = 'pass' | 'fail' | 'open';

/** The answer of another tool about one control. */
export interface PeerResult {
  readonly control: string;
  /** Its own word: `WARN`. */
  readonly word: string;
  readonly verdict: PeerVerdict;
}

/** The report of another tool about a node. */
export interface PeerReport {
  /** `docker-bench-security 1.6.0` */
  readonly tool: string;
  /** Id of the benchmark whose numbers it uses; undefined: none that is known here. */
  readonly benchmark: string | undefined;
  readonly results: readonly PeerResult[];
}

const dockerBenchSchema = s.object({
  dockerbenchsecurity: s.string('', 64),
  tests: s.list(
    s.object({ results: s.list(s.object({ id: s.string('', 64), result: s.string('', 64) }), '', MAX_RESULTS) }),
    '',
    1000,
  ),
});

const kubeBenchControls = s.list(
  s.object({
    version: s.string('', 64),
    tests: s.list(
      s.object({
        results: s.list(s.object({ test_number: s.string('', 64), status: s.string('', 64) }), '', MAX_RESULTS),
      }),
      '',
      1000,
    ),
  }),
  '',
  100,
);
const kubeBenchSchema = s.object({ Controls: kubeBenchControls });

/** Words of docker-bench-security with a verdict; INFO and NOTE have none. */
const DOCKER_BENCH: Readonly<Record<string, PeerVerdict>> = Object.freeze({ PASS: 'pass', WARN: 'fail' });
/** Words of kube-bench with a verdict; WARN leaves the control to a person. */
const KUBE_BENCH: Readonly<Record<string, PeerVerdict>> = Object.freeze({ PASS: 'pass', FAIL: 'fail' });

/** Reads the JSON report of docker-bench-security (its log file) or of kube-bench (`--json`). */
export async function readPeerReport(path: string): Promise<Parsed<PeerReport>> {
  const file = await readBoundedText(path, MAX_REPORT_BYTES);
  if (!file.ok) return { ok: false, problem: file.reason };
  const text = file.text.trim();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, problem: describeOther(text) };
  }
  const report = toPeerReport(value);
  return report === undefined
    ? { ok: false, problem: 'is not a report of docker-bench-security or kube-bench' }
    : { ok: true, value: report };
}

/** Results as both tools print them for people, maybe in colour: `[WARN] 2.1 - …`, `[FAIL] 4.1.1 …`. */
// oxlint-disable-next-line no-control-regex -- ESC starts a colour
const PRINTED = /^(?:\u001b\[[\d;]*m)*\[(?:PASS|WARN|FAIL|INFO|NOTE)\](?:\u001b\[[\d;]*m)* \d/m;

/** Why a text is no report. */
function describeOther(text: string): string {
  if (PRINTED.test(text)) return 'is what the tool prints for people; its JSON is needed';
  return /^[{[]/.test(text) ? 'is not complete JSON: the tool still runs, or was interrupted' : 'is not JSON';
}

/** undefined: it is a report of neither. */
export function toPeerReport(value: unknown): PeerReport | undefined {
  const docker = dockerBenchSchema.parse(value);
  if (docker.ok) {
    const { dockerbenchsecurity: version, tests } = docker.value;
    return {
      tool: `docker-bench-security ${version}`,
      benchmark: knownBenchmark([dockerBenchmark(version)]),
      results: tests.flatMap(({ results }) => results.map(({ id, result }) => toResult(id, result, DOCKER_BENCH))),
    };
  }
  const kube = kubeBenchSchema.parse(value);
  // Releases before 0.6 print the list alone.
  const bare = kubeBenchControls.parse(value);
  const controls = kube.ok ? kube.value.Controls : bare.ok ? bare.value : [];
  if (controls.length === 0) return undefined;
  const versions = [...new Set(controls.map(({ version }) => version).filter((version) => version !== ''))];
  const [version = ''] = versions;
  return {
    tool: `kube-bench (${versions.join(', ')})`,
    // Numbers of two benchmarks mean different controls: a person has to choose.
    benchmark: versions.length === 1 ? knownBenchmark(kubernetesBenchmarks(version)) : undefined,
    results: controls.flatMap(({ tests }) =>
      tests.flatMap(({ results }) => results.map(({ test_number: id, status }) => toResult(id, status, KUBE_BENCH))),
    ),
  };
}

function toResult(control: string, word: string, verdicts: Readonly<Record<string, PeerVerdict>>): PeerResult {
  return { control, word, verdict: Object.hasOwn(verdicts, word) ? (verdicts[word] ?? 'open') : 'open' };
}

/** Release 1.6 has the numbers of CIS 1.6.0; those before have other numbers for the same controls. */
function dockerBenchmark(version: string): string {
  return /^1\.6\.\d+$/.test(version) ? 'cis-docker-1.6.0' : `cis-docker-${version}`;
}

/** `cis-1.10`, `eks-1.7.0`, `k3s-cis-1.8`, `rh-1.8`, `cis-1.24-microk8s`: the names of kube-bench. */
function kubernetesBenchmarks(version: string): readonly string[] {
  return [
    version.replace(/^cis-/, 'cis-kubernetes-'),
    `cis-${version.replace('-cis-', '-')}`,
    version.replace(/^rh-/, 'cis-openshift-'),
    version.replace(/^cis-(.*)-microk8s$/, 'cis-microk8s-$1'),
  ];
}

function knownBenchmark(candidates: readonly string[]): string | undefined {
  return candidates.find((candidate) => BENCHMARKS.some(({ id }) => id === candidate));
}
