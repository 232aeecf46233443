import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { CHECKS } from '../../../posture/check/registry.ts';
import { factPaths } from '../../../posture/fact/path.ts';
import { BENCHMARKS, controlsOf, findBenchmark } from '../../../posture/benchmark/benchmark.ts';
import { chooseKubernetesBenchmark } from '../../../posture/benchmark/kubernetes-benchmark.ts';
import { absent, seen } from '../../../posture/observed.ts';
import { kubeletFact } from '../../fixture/kubelet.ts';

const PATHS = new Set(factPaths().map(({ path }) => path));
const root = new URL('../../../', import.meta.url);
const ids = BENCHMARKS.map(({ id }) => id);
t.strictSame(ids, [...ids].sort(), 'sorted');
t.equal(new Set(ids).size, ids.length, 'no id twice');

for (const { id, controls } of BENCHMARKS) {
  t.equal(new Set(controls.map((control) => control.id)).size, controls.length, `${id}: no control twice`);
  for (const control of controls) {
    const name = `${id} ${control.id}`;
    t.match(control.id, id.startsWith('cis-') ? /^\d+(?:\.\d+){1,2}$/ : /^[\w.-]{3,32}$/, `${name}: a number`);
    t.not(control.title, '', `${name}: a title`);
    t.ok(control.level >= 1 && control.level <= (id.startsWith('cis-') ? 2 : 3), `${name}: a level`);
    // Openly empty, with the reason, or mapped: never neither and never both.
    t.equal(control.checks.length === 0, control.why !== undefined && control.why !== '', `${name}: checks or why`);
    t.strictSame(control.checks, [...new Set(control.checks)].sort(), `${name}: checks sorted, none twice`);
    for (const path of control.evidence ?? []) t.ok(PATHS.has(path), `${name}: ${path} is a fact`);
    for (const check of control.checks) {
      t.ok(
        CHECKS.some(({ id }) => id === check),
        `${name}: ${check} exists`,
      );
    }
  }
}

void t.test('numbers that moved when 1.8.0 put devicemapper in between', (t) => {
  const ofCis = (check: string) => controlsOf(check).filter(({ benchmark }) => benchmark.startsWith('cis-'));
  t.strictSame(ofCis('daemon.userns-remap'), [
    { benchmark: 'cis-docker-1.6.0', control: '2.9' },
    { benchmark: 'cis-docker-1.7.0', control: '2.9' },
    { benchmark: 'cis-docker-1.8.0', control: '2.10' },
  ]);
  t.strictSame(
    ofCis('daemon.storage-driver').map(({ control }) => control),
    ['2.6', '2.6', '2.6', '2.7'],
  );
  t.strictSame(ofCis('kernel.kptr-restrict'), [], 'a check of no benchmark of CIS');
  t.end();
});

void t.test('every check is mapped to a control', (t) => {
  // It judges this program, which no publication knows.
  const own = ['agent.resource-budget'];
  t.strictSame(
    CHECKS.map(({ id }) => id).filter((id) => controlsOf(id).length === 0),
    own,
  );
  t.end();
});

const NODE_CATALOGUE = new URL('../shared/catalogue/host.md', root);
void t.test(
  'each control of nodes',
  { skip: existsSync(NODE_CATALOGUE) ? false : 'no catalogue beside the project' },
  (t) => {
    const wanted = readFileSync(NODE_CATALOGUE, 'utf8').matchAll(/^\| NODE-([A-Z]+-\d+) /gm);
    const ours = findBenchmark('plimsoll-node-1')?.controls.map(({ id }) => id);
    t.strictSame(
      ours,
      [...wanted].map((match) => match[1]),
    );
    t.end();
  },
);

void t.test('found by id', (t) => {
  t.equal(findBenchmark('cis-docker-1.8.0')?.controls.length, 118);
  t.equal(findBenchmark('cis-docker-1.7.0')?.controls.length, 117);
  t.equal(findBenchmark('cis-docker-1.6.0')?.controls.length, 117);
  t.equal(findBenchmark('cis-docker-2.0.0'), undefined);
  t.equal(findBenchmark('cis-docker-1.8')?.id, 'cis-docker-1.8.0');
  for (const id of ['cis-docker-1', 'cis-docker', '', 'cis-docker-1.8.', 'cis-kubernetes-1.1'])
    t.equal(findBenchmark(id), undefined, id);
  t.end();
});

interface Entry {
  readonly title: string;
  readonly level: number;
  readonly idByVersion: Readonly<Record<string, string | null>>;
}

/** The benchmarks of a catalogue, each with the key by which the catalogue calls it. */
const CATALOGUES: readonly (readonly [file: string, keyOf: (id: string) => string | undefined])[] = [
  ['docker.json', (id) => /^cis-docker-(.*)$/.exec(id)?.[1]],
  ['kubelet.json', kubernetesKey],
];

function kubernetesKey(id: string): string | undefined {
  if (!id.startsWith('cis-')) return undefined;
  const [, name = '', version = ''] = /^cis-([a-z0-9]+)-(.*)$/.exec(id) ?? [];
  switch (name) {
    case 'docker':
      return undefined;
    case 'kubernetes':
      return `cis-${version}`;
    case 'microk8s':
      return `cis-${version}-microk8s`;
    case 'openshift':
      return `rh-${version}`;
    case 'k3s':
    case 'rke2':
      return `${name}-cis-${version}`;
    default:
      return `${name}-${version}`;
  }
}

// The catalogues of controls lie beside the project where it is developed, and are not part of it.
for (const [file, keyOf] of CATALOGUES) {
  const catalogue = new URL(`../shared/catalogue/${file}`, root);
  const skip = existsSync(catalogue) ? false : 'no catalogue beside the project';
  void t.test(`each control of ${file}`, { skip }, (t) => {
    const { controls } = JSON.parse(readFileSync(catalogue, 'utf8')) as { controls: readonly Entry[] };
    for (const { id, controls: ours } of BENCHMARKS) {
      const version = keyOf(id);
      if (version === undefined) continue;
      const wanted = new Map(
        controls.flatMap((entry) => {
          const number = entry.idByVersion[version];
          return number === null || number === undefined ? [] : [[number, entry] as const];
        }),
      );
      t.strictSame(ours.map((control) => control.id).sort(), [...wanted.keys()].sort(), `${id}: every number`);
      for (const control of ours) {
        const entry = wanted.get(control.id);
        t.equal(control.level, entry?.level, `${id} ${control.id}: level`);
        t.not(control.title, entry?.title, `${id} ${control.id}: our own title`);
      }
    }
    t.end();
  });
}

// The releases by version_mapping of kube-bench (cfg/config.yaml), and by the text of CIS 2.0.0 for 1.35.
void t.test('the benchmark of a release of Kubernetes', (t) => {
  const chosen = (version: string): ReturnType<typeof chooseKubernetesBenchmark> =>
    chooseKubernetesBenchmark(kubeletFact({}, { version: seen(version, 'x') }), absent('x'));
  const made: Readonly<Record<string, string>> = {
    '1.24.17': '1.24',
    '1.25.3': '1.7',
    '1.26.15': '1.8',
    '1.27': '1.9',
    '1.28.9': '1.10',
    '1.29.0': '1.11',
    '1.31.14': '1.11',
    '1.32.3': '1.12',
    '1.34.1': '1.12',
    '1.35.0': '2.0.0',
  };
  for (const [version, benchmark] of Object.entries(made))
    t.same(chosen(version), { id: `cis-kubernetes-${benchmark}`, reason: `kubelet ${version} of kubeadm` }, version);
  t.match(chosen('1.20.15'), { id: 'cis-kubernetes-1.24', reason: /the oldest, made for Kubernetes 1\.24/ });
  t.match(chosen('1.36.0'), { id: 'cis-kubernetes-2.0.0', reason: /the newest, made for Kubernetes 1\.35/ });
  t.same(
    BENCHMARKS.filter(({ id }) => kubernetesKey(id) !== undefined)
      .flatMap(({ controls }) => controls)
      .filter(({ checks }) => checks.length === 0),
    [],
    'every control of a worker is judged',
  );
  t.end();
});

void t.test('numbers of one check in benchmarks of Kubernetes', (t) => {
  const numbers = new Map(controlsOf('kubelet.anonymous-auth').map(({ benchmark, control }) => [benchmark, control]));
  t.equal(numbers.get('cis-kubernetes-1.12'), '4.2.1');
  t.equal(numbers.get('cis-eks-1.8.0'), '3.2.1');
  t.equal(numbers.get('cis-openshift-1.8'), '4.2.2', 'OpenShift has one control more before it');
  t.equal(numbers.get('cis-gke-1.9.0'), undefined, 'GKE has no settings of the kubelet');
  t.end();
});

void t.test('README.md and CHANGELOG.md name the right numbers', (t) => {
  const readme = readFileSync(new URL('README.md', root), 'utf8');
  const changelog = readFileSync(new URL('CHANGELOG.md', root), 'utf8');
  for (const text of [readme, changelog]) t.equal(/(\d+) checks of the Docker/.exec(text)?.[1], String(CHECKS.length));
  for (const { id, controls } of BENCHMARKS.filter(({ id }) => id.startsWith('cis-docker-') || id.endsWith('-2.0.0'))) {
    const mapped = controls.filter(({ checks }) => checks.length > 0).length;
    const version = id.replace(/^cis-[a-z]+-/, '').replaceAll('.', String.raw`\.`);
    const claim = `${String(mapped)} of the ${String(controls.length)} `;
    t.match(readme, new RegExp(`${claim}[^,;:]*?${version}`), `${id}: ${claim}`);
  }
  t.end();
});
