import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startServer, TOKEN } from '../collector/api/server.ts';
import { commit, finding, nodeRow, T0 } from '../collector/store/fleet.ts';
import { plimsoll, temporaryDirectory } from './process.ts';

const NODE = 'e08d5c11aa';

/** Two containers that start after the first report of a node, and an agent that falls silent. */
async function fleet(t: Parameters<typeof temporaryDirectory>[0]) {
  const server = await startServer(t);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  await server.store.putNodes([nodeRow({ id: NODE, name: 'web-1' }), nodeRow({ id: 'n2', name: 'db-1' })]);
  const of = { nodeId: NODE, observedAtMs: T0, receivedAtMs: T0 };
  await server.commit(commit({ ...of, sequence: 1, snapshot: true, put: [finding({ on: 'old' })] }));
  const evil = finding({
    subject: { kind: 'container', id: 'c2', name: 'b\u001b[2J' },
    reason: 'privileged\u202e: \u001b]0;owned\u0007',
  });
  await server.commit(commit({ ...of, sequence: 2, put: [evil] }));
  const socket = finding({ on: 'c3', check: 'container.runtime-socket' });
  await server.commit(commit({ ...of, sequence: 3, put: [socket] }));
  await server.store.sweepDetections([{ nodeId: 'n2', nodeName: 'db-1', sinceMs: T0 }], Date.now());
  const flags = ['--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory];
  return {
    server,
    run: (...args: readonly string[]) => plimsoll(['detections', ...args, ...flags], { COLUMNS: '200' }),
    runHere: (...args: readonly string[]) => plimsoll([...args, ...flags]),
  };
}

void t.test('detections', async (t) => {
  const { server, run, runHere } = await fleet(t);
  const { detections: stored } = await server.store.detections({ limit: 10 });
  const [silent, socket, privileged] = stored.map(({ uid }) => uid);
  const [table, wide, csv, names, json, lines, limited, since, byRule, byNode] = await Promise.all([
    run(),
    run('list', '-o', 'wide'),
    run('-o', 'csv'),
    run('-o', 'name'),
    run('-o', 'json'),
    run('-o', 'ndjson', '--rule', 'agent-silent,privileged-container'),
    run('-o', 'name', '--limit', '1'),
    run('-o', 'name', '--since', '1h'),
    run('-o', 'name', '--rule', 'privileged-container'),
    run('-o', 'name', '--node', 'web-1', '-n', NODE.slice(0, 5)),
  ]);
  t.match(table, {
    code: 0,
    stderr: 'evidence: plimsoll detections show ID; -o wide lists the ids\n',
    stdout:
      /^TIME +SEVERITY +NODE +DETECTION +SUBJECT *\n(?:just now|\d+ \w+ ago) +high +db-1 +Agent is silent +node db-1 *\n/,
  });
  t.match(table.stdout, /critical +web-1 +Privileged container started +container b\\x1b\[2J *\n/);
  t.match(wide.stdout, /ID +ATTACK +WHY *\n[^\n]*T1685 +nothing was[^]*T1611 +privileged\\u202e: /);
  t.match(csv.stdout, /^time,severity,node,detection,subject,id,attack,why\r\n/);
  t.equal(names.stdout, stored.map(({ uid }) => `${uid}\n`).join(''));
  t.match(JSON.parse(json.stdout), {
    detections: [
      { rule: 'agent-silent', nodeId: 'n2' },
      { rule: 'runtime-socket-mounted' },
      { rule: 'privileged-container', technique: 'T1611', techniqueName: 'Escape to Host' },
    ],
  });
  t.strictSame(
    lines.stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { readonly rule: string }).rule),
    ['agent-silent', 'privileged-container'],
  );
  for (const [shown, wanted] of [
    [limited, silent],
    [since, silent],
    [byRule, privileged],
  ] as const)
    t.match(shown, { code: 0, stdout: `${wanted ?? ''}\n` });
  t.equal(byNode.stdout, `${socket ?? ''}\n${privileged ?? ''}\n`);

  const [shown, document, none, empty, ...bad] = await Promise.all([
    run('show', privileged ?? ''),
    run('show', privileged ?? '', '-o', 'json'),
    run('show', 'nothing-1-1'),
    run('--rule', 'ssh-session'),
    run('--rule', 'ssh-sesion'),
    run('--node', 'web-11'),
    run('--since', 'soon'),
    run('--limit', '0'),
    run('show'),
    run('show', 'x', '-o', 'csv'),
    run('watch'),
  ]);
  t.match(
    shown.stdout,
    /^Privileged container started \(critical\)\n.*\n.*\n {2}rule +privileged-container\n {2}ATT&CK +T1611 Escape to Host \(Privilege Escalation\)\n {2}node +web-1 \(e08d5c11aa\)\n[^]*\/proc\/4121\/status\n {4}actual +CapEff: /,
  );
  t.match(JSON.parse(document.stdout), { id: privileged, tactic: 'Privilege Escalation', subject: { id: 'c2' } });
  t.match(none, { code: 2, stdout: '', stderr: /no detection nothing-1-1/ });
  t.match(empty, { code: 0, stdout: 'No detections.\n' });
  for (const each of bad) t.match(each, { code: 2, stdout: '', stderr: /\S/ });
  t.match(bad[0]?.stderr, /did you mean ssh-session/);
  t.match(bad[1]?.stderr, /did you mean web-1\?/);
  for (const { stdout, stderr } of [table, wide, csv, shown, ...bad])
    for (const control of ['\u001b', '\u202e']) t.notMatch(stdout + stderr, control, 'text of others does nothing');

  const help = await runHere('detections', '--help');
  t.match(help.stdout.replaceAll(/\s+/g, ' '), /--rule RULE only of this rule\. One of: agent-silent, /);
  t.match(await runHere('deadletter', 'show', '1', '-o', 'csv'), {
    code: 2,
    stderr: /deadletter show has no output csv/,
  });
});
