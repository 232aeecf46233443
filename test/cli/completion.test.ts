import { spawnSync } from 'node:child_process';
import t from 'tap';
import { BENCHMARKS } from '../../posture/benchmark/benchmark.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { COMMAND_NAMES } from '../../cli/command/registry.ts';
import { plimsoll, temporaryDirectory } from './process.ts';

const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;

void t.test('bash', { skip: has('bash') ? false : 'bash is absent' }, async (t) => {
  const { stdout: script, code } = await plimsoll(['completion', 'bash']);
  t.equal(code, 0);
  const directory = temporaryDirectory(t);
  /** What bash offers for these words; the cursor is at the end of the last. */
  const complete = (...words: readonly string[]): readonly string[] => {
    const quoted = words.map((word) => `'${word}'`).join(' ');
    const body = `${script}\nCOMP_WORDS=(${quoted})\nCOMP_CWORD=${String(words.length - 1)}\n_plimsoll\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
    // On standard input: an argument has at most 128 KiB, and the script is longer.
    const run = spawnSync('bash', ['--norc', '-s'], { input: body, encoding: 'utf8', cwd: directory });
    t.equal(run.stderr, '', quoted);
    return run.stdout.split('\n').filter((word) => word !== '');
  };
  t.strictSame(complete('plimsoll', ''), COMMAND_NAMES);
  t.strictSame(complete('plimsoll', 'co'), ['collector', 'completion', 'compliance', 'config', 'console']);
  t.strictSame(complete('plimsoll', 'scan', '--ver'), ['--verdict']);
  t.strictSame(complete('plimsoll', 'scan', '--verdict', ''), ['fail', 'unknown', 'manual', 'pass', 'notApplicable']);
  t.strictSame(
    complete('plimsoll', 'scan', '--output', '=', 'j'),
    ['json', 'junit', 'jsonpath='],
    'bash splits --output=j at the sign',
  );
  t.strictSame(complete('plimsoll', 'scan', '--output', '='), [
    'table',
    'wide',
    'json',
    'ndjson',
    'csv',
    'name',
    'sarif',
    'junit',
    'html',
    'ocsf',
    'asff',
    'jsonpath=',
  ]);
  t.strictSame(
    complete('plimsoll', 'explain', 'tls.'),
    CHECKS.map(({ id }) => id).filter((id) => id.startsWith('tls.')),
  );
  t.strictSame(complete('plimsoll', 'scan', '--check', 'container.priv'), [
    'container.privileged',
    'container.privileged-port',
  ]);
  t.strictSame(
    complete('plimsoll', 'scan', '--benchmark', ''),
    [...BENCHMARKS.map(({ id }) => id), 'cis-kubernetes'],
    'with the name of the one that fits the kubelet of a node',
  );
  t.strictSame(complete('plimsoll', 'completion', ''), ['bash', 'zsh', 'fish']);
  t.strictSame(complete('plimsoll', 'help', 'quer'), ['query']);
  t.ok(complete('plimsoll', 'up', '--').includes('--data-dir'), 'settings are options');
  t.strictSame(complete('plimsoll', 'up', '--log-level', ''), ['debug', 'info', 'warn', 'error', 'silent']);
  t.strictSame(complete('plimsoll', 'nodes', 'x'), []);
  t.strictSame(complete('plimsoll', 'nodes', ''), ['show', 'remove', 'revoke', 'readmit']);
  t.strictSame(complete('plimsoll', 'nodes', 'remove', '--st'), ['--stale-for']);
  t.strictSame(complete('plimsoll', 'image', ''), ['scan']);
  t.strictSame(complete('plimsoll', 'nonsense', ''), []);
  spawnSync('mkdir', ['recorded-one', 'recorded two'], { cwd: directory });
  t.strictSame([...complete('plimsoll', 'scan', '--recorded', 'rec')].sort(), ['recorded two', 'recorded-one']);
  const parsed = spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' });
  t.equal(parsed.stderr, '');
});

// Nobody needs these two to build or test; where they are, they parse their script.
for (const shell of ['zsh', 'fish'].filter(has))
  void t.test(shell, async (t) => {
    const { stdout: script } = await plimsoll(['completion', shell]);
    const parsed = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' });
    t.equal(parsed.status, 0, parsed.stderr);
  });

void t.test('every script names every command and option', async (t) => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout: script, code } = await plimsoll(['completion', shell]);
    t.equal(code, 0);
    for (const name of COMMAND_NAMES) t.match(script, new RegExp(`\\b${name}\\b`), `${shell}: ${name}`);
    for (const word of ['fail-on', 'data-dir', 'container.seccomp-filter', 'cis-docker-1.8.0'])
      t.ok(script.includes(word));
  }
});
