import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startServer, TOKEN } from '../collector/api/server.ts';
import { commit, finding, T0 } from '../collector/store/fleet.ts';
import { plimsoll, temporaryDirectory } from './process.ts';
import { UNUSED } from '../collector/sink/events.ts';

const SINK = { position: 0, lastError: '', delivered: 0, rejected: 2, discarded: 0, ...UNUSED };

void t.test('deadletter', async (t) => {
  const server = await startServer(t, { sinks: () => [{ ...SINK, name: 'splunk', state: 'ok' }] });
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  const run = (...args: readonly string[]) =>
    plimsoll(['deadletter', ...args, '--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory]);
  const empty = await run();
  t.match(empty, { code: 0, stdout: 'No dead letters.\n' });
  await server.commit(commit({ sequence: 1, snapshot: true, put: ['a', 'b\u001b[2J'].map((on) => finding({ on })) }));
  const events = await server.store.outbox(0, 2);
  await server.store.deadLetters.add({ sink: 'splunk', events, reason: 'code 6\u001b]0;x\u0007', atMs: T0 });

  const [table, wide, names, csv, json, shown, bad] = await Promise.all([
    run(),
    run('list', '--sink', 'splunk', '-o', 'wide'),
    run('-o', 'name'),
    run('-o', 'csv'),
    run('show', '1', '-o', 'json'),
    run('show', '2'),
    Promise.all([
      run('purge'),
      run('purge', '1', '--all'),
      run('show'),
      run('show', 'x'),
      run('drop', '1'),
      run('replay', '1', '-o', 'csv'),
      run('list', '--all'),
    ]),
  ]);
  t.match(table.stdout, /^ID +SINK +REJECTED +TRIES +REASON +EVENT *\n 2 +splunk +2026-06-01[^\n]*\n 1 +splunk /);
  t.match(wide.stdout, / rejected +Compliance Finding: Create +\S+-\S+-\S+ *\n/);
  t.equal(names.stdout, '2\n1\n');
  t.match(csv.stdout, /^id,sink,rejected,tries,reason,event,state,type,event id\r\n2,splunk,/);
  t.match(JSON.parse(json.stdout), { id: 1, sink: 'splunk', event: { class_uid: 2003 } });
  t.match(shown.stdout, /^2: container\.privileged .*\n {2}sink {6}splunk, rejected\n {2}rejected .*1 attempt\n/);
  for (const { stdout } of [table, wide, csv, shown]) t.notMatch(stdout, '\u001b', 'text of others does nothing');
  for (const each of bad) t.match(each, { code: 2, stdout: '', stderr: /see: plimsoll deadletter --help/ });
  t.match(await run('show', '9'), { code: 2, stderr: /no dead letter 9/ });

  t.match(await run('replay', '--sink', 'splunk'), { code: 0, stdout: '2 events will be sent again\n' });
  t.match(await run('replay', '--all'), { code: 0, stdout: /^nothing to send again/ });
  t.match(await run('-o', 'wide'), { stdout: /replaying/ });
  t.match(await run('purge', '--all', '--older-than', '1d', '-o', 'json'), { code: 0, stdout: /"purged": 2/ });
  t.match(await run('purge', '1'), { code: 0, stdout: '0 dead letters deleted\n' });
});
