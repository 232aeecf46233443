import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { startServer, TOKEN } from '../collector/api/server.ts';
import { commit, finding, nodeRow, T0 } from '../collector/store/fleet.ts';
import { plimsoll, temporaryDirectory } from './process.ts';
import type { Run } from './process.ts';
import { UNUSED } from '../collector/sink/events.ts';

const LONG = 'n'.repeat(256);
const WIDE = '漢字'.repeat(60);
const CONTROLS = 'evil\u001b]0;owned\u0007\u202e\nx\u009b2J';
/** Ideographic space and no-break space: there is nothing to see. */
const BLANK = '\u3000\u00a0 ';

/**
 * Cells that a terminal gives a text, for the characters of this test alone: two for each Chinese character, one for
 * anything else (UAX #11: W for U+4E00 to U+9FFF).
 */
function cells(line: string): number {
  return Array.from(line).reduce((sum, character) => sum + (/[\u4e00-\u9fff]/.test(character) ? 2 : 1), 0);
}

/** No line is wider than the page, and nothing in it is obeyed by a terminal. */
function assertPage(t: Test, { stdout }: Run, what: string): void {
  // oxlint-disable-next-line no-control-regex -- finding them is the point
  t.notMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/, `${what}: controls`);
  const wide = stdout.split('\n').filter((line) => cells(line) > 80);
  t.strictSame(wide, [], `${what}: 80 columns`);
}

async function fleet(t: Test) {
  const server = await startServer(t, {
    sinks: () => [
      {
        name: `ndjson${CONTROLS}`,
        position: 1,

        state: 'retrying',
        lastError: LONG + CONTROLS,
        delivered: 1,
        rejected: 0,
        discarded: 0,
        ...UNUSED,
      },
    ],
    queries: {
      ask: () =>
        Promise.resolve({
          outcome: 'answered',
          answers: [
            {
              outcome: 'ok',
              nodeId: 'n1',
              nodeName: LONG,
              value: [CONTROLS],
              rows: 1,
              truncated: true,
              unread: [LONG],
            },
            { outcome: 'error', nodeId: 'n2', nodeName: WIDE, error: `${LONG} ${CONTROLS}` },
            { outcome: 'timeout', nodeId: 'n3', nodeName: CONTROLS, deadlineMs: 5 },
            { outcome: 'offline', nodeId: 'n4', nodeName: BLANK, sinceMs: T0 },
          ],
        }),
    },
  });
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  const names = [LONG, WIDE, CONTROLS, BLANK];
  const subjects = [LONG, WIDE, CONTROLS, 'shop-db'];
  const put = subjects.map((name, index) =>
    finding({
      subject: { kind: 'container', id: String(index), name },
      evidence: [{ source: '/proc/1/status', seen: LONG + CONTROLS, expected: WIDE }],
    }),
  );
  for (const [index, name] of names.entries()) {
    const id = `n${String(index + 1)}`;
    await server.store.putNodes([nodeRow({ id, name, agentVersion: LONG, runtime: `docker ${CONTROLS}` })]);
    await server.commit(commit({ nodeId: id, sequence: 1, snapshot: true, put }));
  }
  const flags = ['--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory];
  return (...args: readonly string[]): Promise<Run> => plimsoll([...args, ...flags]);
}

void t.test('names that are long, wide, invisible or full of controls stay in their place', async (t) => {
  const run = await fleet(t);
  const pages: Record<string, Run> = {};
  for (const args of [
    ['nodes'],
    ['findings'],
    ['findings', '--node', 'n1'],
    ['findings', '--history', '--limit', '16'],
    ['query', '1'],
    ['status'],
    ['explain', 'container.privileged', '--node', 'n2'],
  ]) {
    const name = args.join(' ');
    const page = await run(...args);
    assertPage(t, page, name);
    pages[name] = page;
  }
  const shown = String.raw`evil\x1b]0;owned`;
  t.match(pages['nodes']?.stdout, shown);
  t.match(pages['nodes']?.stdout, /^n4 /m, 'a name that shows nothing: the id');
  t.match(pages['nodes']?.stdout, /^n{23,}… /m, 'enough of a name to tell nodes from each other');
  t.match(pages['findings']?.stdout, /^n4 .*shop-db$/m);
  t.match(pages['findings --history --limit 16']?.stdout, / n4 +container\.privileged +shop-db$/m, 'whose history');
  t.match(pages['query 1']?.stdout, /^n+… {2}1 row {2}\(truncated\)$/m);
  t.match(pages['query 1']?.stdout, /^n4\n {2}offline since 2026-06-01 00:00:00 \(\d+ d\)$/m);
  t.match(pages['query 1']?.stdout, String.raw`  "evil\u001b]0;owned\u0007\u202e\nx\u009b2J"`, 'a value is JSON');
  t.match(pages['status']?.stdout, String.raw`evil\x1b]0;owned\x07\u202e\nx\x9b2J`);
  t.match(pages['explain container.privileged --node n2']?.stdout, /^CRITICAL {2}shop-db on 漢字/m);
});

void t.test('of many nodes with one issue only some are named', async (t) => {
  const server = await startServer(t);
  const directory = temporaryDirectory(t);
  writeFileSync(join(directory, 'operator-token'), TOKEN, { mode: 0o600 });
  for (let index = 0; index < 30; index += 1)
    await server.store.putNodes([
      nodeRow({ id: `n${String(index)}`, name: `web-${String(index)}`, connected: false, lastSeenMs: T0 + index }),
    ]);
  const run = await plimsoll(['status', '--api', `127.0.0.1:${String(server.port)}`, '--data-dir', directory]);
  t.equal(run.code, 1);
  t.match(run.stdout, /^30 issues:\n {2}web-0, web-1, web-2, web-3, web-4 and 25 more: the agent/m);
  t.match(run.stdout, /^web-29 +offline /m, 'but all of them are in the table');
});
