import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import { parse } from 'yaml';
import { parseArguments } from '../../../cli/arguments.ts';
import { gate } from '../../../cli/command/gate.ts';
import { targetOf } from '../../../cli/gate/target.ts';
import { shortcutPolicy } from '../../../cli/gate/shortcut-policy.ts';
import { loadPolicies } from '../../../image/policy/load-policies.ts';
import { object, list, nullable, oneOf, record, string, unknown } from '../../../posture/schema.ts';
import type { Infer, Schema } from '../../../posture/schema.ts';
import { settingsOf } from '../../../service/config/load.ts';

const directory = fileURLToPath(new URL('../../../docs/ci/', import.meta.url));
const read = (name: string): string => readFileSync(`${directory}${name}`, 'utf8');

function accepted<T>(schema: Schema<T>, value: unknown): T {
  const parsed = schema.parse(value);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

/** Words of a line of shell, with variables and substitutions in place of what they stand for. */
function wordsOf(line: string): readonly string[] {
  return [...line.replaceAll(/\\+\n/g, ' ').matchAll(/"(?<quoted>[^"]*)"|(?<plain>[^\s"]+)/g)].map(
    ({ groups }) => groups?.['quoted'] ?? groups?.['plain'] ?? '',
  );
}

/** The arguments of `gate` in a line that runs it in a container; they must be ones that the program takes. */
function checkGate(t: Test, words: readonly string[]): void {
  const at = words.indexOf('gate');
  t.ok(at > 0, 'runs the gate');
  const argv = words
    .slice(at + 1)
    .map((word) => word.replace(/^\$REFERENCE$|^\$\(params\.image\)$/, 'registry.example.com/shop/app:1'));
  const parsed = parseArguments(gate, settingsOf(gate.settings), argv);
  if (!parsed.ok) throw new Error(parsed.problem);
  t.ok(targetOf(parsed.args, '/work').ok);
  t.strictSame(parsed.args.values('policy'), ['policies/image.yaml']);
  t.ok(shortcutPolicy(parsed.args).ok);
  t.equal(words.slice(0, at).includes('docker') ? words[at - 1] : '$PLIMSOLL_IMAGE', '$PLIMSOLL_IMAGE');
}

/** https://docs.github.com/actions/reference/workflow-syntax-for-github-actions */
const workflow = object({
  name: string(),
  on: record(unknown()),
  permissions: record(oneOf(['read', 'write', 'none'])),
  jobs: record(
    object({
      'runs-on': string(),
      env: record(string()),
      steps: list(
        object({
          name: nullable(string()),
          run: nullable(string()),
          uses: nullable(string()),
          with: nullable(record(string())),
        }),
      ),
    }),
  ),
});

void t.test('GitHub Actions', (t) => {
  const { jobs } = accepted(workflow, parse(read('github-actions.yml')));
  const steps = jobs['gate']?.steps ?? [];
  for (const { run, uses } of steps) t.equal((run === null) !== (uses === null), true, 'a step either runs or uses');
  const index = steps.findIndex(({ name }) => name === 'Gate');
  checkGate(t, wordsOf(steps[index]?.run ?? ''));
  t.ok(steps.findIndex(({ name }) => name === 'Push') > index, 'pushed only after the gate');
  t.equal(steps.find(({ uses }) => uses?.includes('upload-sarif'))?.with?.['sarif_file'], 'gate.sarif');
  t.end();
});

/** https://docs.gitlab.com/ci/yaml/ */
const job = object({
  stage: string(),
  image: string(),
  services: list(string()),
  script: list(string()),
  artifacts: object({
    when: nullable(oneOf(['always', 'on_success', 'on_failure'])),
    reports: nullable(record(string())),
  }),
});

void t.test('GitLab CI', (t) => {
  const pipeline = accepted(
    object({ stages: list(string()), variables: record(string()), build: job, gate: job }),
    parse(read('gitlab-ci.yml')),
  );
  t.strictSame(pipeline.stages, [pipeline.build.stage, pipeline.gate.stage]);
  checkGate(t, wordsOf(pipeline.gate.script.join('\n')));
  t.strictSame({ ...pipeline.gate.artifacts.reports }, { codequality: 'gate.json' });
  t.end();
});

/** Blocks of a declarative pipeline by depth; strings and comments are taken out first. */
void t.test('Jenkinsfile: brackets are closed in order, blocks are those of a declarative pipeline', (t) => {
  const text = read('Jenkinsfile');
  const scripts = [...text.matchAll(/sh '''([^]*?)'''|sh '([^'\n]*)'/g)].map(([, long, short]) => long ?? short ?? '');
  const code = text.replaceAll(/'''[^]*?'''|'[^'\n]*'|"[^"\n]*"/g, "''").replaceAll(/^\s*\/\/.*$/gm, '');
  const open: string[] = [];
  const pairs: Readonly<Record<string, string>> = { '}': '{', ')': '(', ']': '[' };
  for (const character of code) {
    if ('{(['.includes(character)) open.push(character);
    else if (pairs[character] !== undefined) t.equal(open.pop(), pairs[character]);
  }
  t.strictSame(open, []);
  const blocks = [...code.matchAll(/(\w+)(?:\([^)]*\))?\s*\{/g)].map(([, name]) => name);
  t.equal(blocks[0], 'pipeline');
  // https://www.jenkins.io/doc/book/pipeline/syntax/#declarative-pipeline
  const known = new Set(['pipeline', 'agent', 'environment', 'stages', 'stage', 'steps', 'post', 'always']);
  t.strictSame(
    blocks.filter((name) => !known.has(name ?? '')),
    [],
  );
  t.equal(blocks.filter((name) => name === 'stage').length, blocks.filter((name) => name === 'steps').length);
  const line = scripts.find((script) => script.includes(' gate ')) ?? '';
  checkGate(t, wordsOf(line));
  t.match(text, /junit testResults: 'gate\.xml'/);
  t.match(line, /--output-file gate\.xml/);
  t.end();
});

/** https://tekton.dev/docs/pipelines/tasks/ */
const task = object({
  apiVersion: oneOf(['tekton.dev/v1']),
  kind: oneOf(['Task']),
  spec: object({
    params: list(object({ name: string(), type: oneOf(['string', 'array', 'object']) })),
    workspaces: list(object({ name: string() })),
    steps: list(
      object({
        name: string(),
        image: string(),
        command: list(string()),
        args: list(string()),
        env: list(object({ name: string(), value: string() })),
      }),
    ),
  }),
});

void t.test('Tekton: arguments, and every variable is declared', (t) => {
  const text = read('tekton-task.yaml');
  const { spec }: Infer<typeof task> = accepted(task, parse(text));
  const [step] = spec.steps;
  checkGate(t, [...(step?.command ?? []), ...(step?.args ?? [])]);
  const declared = new Set([
    ...spec.params.map(({ name }) => `params.${name}`),
    ...spec.workspaces.map(({ name }) => `workspaces.${name}.path`),
  ]);
  for (const [, name = ''] of text.matchAll(/\$\(([^)]+)\)/g)) t.ok(declared.has(name), name);
  t.end();
});

void t.test('the policy of the pipelines is valid, and every file is tested here', async (t) => {
  t.match(await loadPolicies([`${directory}image.yaml`]), { ok: true, policies: [{ name: 'shop' }] });
  t.strictSame(readdirSync(directory).sort(), [
    'Jenkinsfile',
    'github-actions.yml',
    'gitlab-ci.yml',
    'image.yaml',
    'tekton-task.yaml',
  ]);
});
