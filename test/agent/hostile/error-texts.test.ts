import * as fc from 'fast-check';
import t from 'tap';
import { inspectSchema } from '../../../agent/runtime/docker/container-schema.ts';
import { infoSchema, networkSchema, versionSchema } from '../../../agent/runtime/docker/engine.ts';
import { parseDaemonJson } from '../../../agent/inspector/docker/daemon-json.ts';
import { historySchema, imageSchema } from '../../../agent/runtime/docker/image.ts';
import { sshdInspector } from '../../../agent/inspector/sshd/inspect.ts';
import { parseEvent } from '../../../agent/runtime/docker/events.ts';
import { parseReply } from '../../../agent/runtime/docker/reply.ts';
import type { Schema } from '../../../posture/schema.ts';
import { parseConfigFile } from '../../../service/config/file.ts';
import { NODE_TREE } from '../../fixture/inspector/daemon.ts';
import { recordedInspect, recordedJson, SEED } from '../../fixture/inspector/read.ts';
import { treeHost } from '../../fixture/inspector/tree.ts';
import { accessOf } from './weak-node.ts';
import { serveDocker } from '../../fixture/inspector/docker-api.ts';

const MARKER = 'hunter2marker';

/** A text with the marker at any place of it, alone or as a part of a word, possibly cut off behind. */
function marked(...samples: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.constantFrom(...samples),
      fc.nat(),
      fc.constantFrom('', ' ', '\n', '"', '\\', ':', '=', '{', '['),
      fc.constantFrom('', ' ', '\n', '"', ',', ':', '=', '}', ']'),
      fc.boolean(),
    )
    .map(([sample, at, before, after, isCut]) => {
      const position = at % (sample.length + 1);
      return `${sample.slice(0, position)}${before}${MARKER}${after}${isCut ? '' : sample.slice(position)}`;
    });
}

/** The value with the marker in the place of one leaf, or as a key beside one. */
function markedValue(sample: unknown): fc.Arbitrary<unknown> {
  return fc
    .tuple(fc.nat(), fc.constantFrom<unknown>(MARKER, { [MARKER]: MARKER }, [MARKER], [{ [MARKER]: 7 }]))
    .map(([at, marker]) => {
      let leaves = 0;
      const count = JSON.stringify(sample, (_, value: unknown) => {
        leaves += 1;
        return value;
      }).length;
      let index = count === 0 ? 0 : at % leaves;
      return JSON.parse(JSON.stringify(sample), (_, value: unknown) => {
        index -= 1;
        return index === -1 ? marker : value;
      }) as unknown;
    });
}

/** What an answer says about what went wrong. */
function complaint(answer: unknown): string {
  if (typeof answer !== 'object' || answer === null) return '';
  const { ok, state, problem } = answer as {
    readonly ok?: unknown;
    readonly state?: unknown;
    readonly problem?: unknown;
  };
  return ok === false || state === 'unreadable' || problem !== undefined ? JSON.stringify(answer) : '';
}

const DAEMON_JSON = '{"icc": false, "hosts": ["fd://"], "log-opts": {"a": "b"}}';
const EVENT = '{"Type":"container","Action":"start","Actor":{"ID":"c","Attributes":{"container":"x"}}}';

void t.test('texts: a problem never quotes what is in them', (t) => {
  const parsers: Readonly<Record<string, readonly [fc.Arbitrary<string>, (text: string) => unknown]>> = {
    'daemon.json': [marked(DAEMON_JSON, ''), (text) => parseDaemonJson(Buffer.from(text))],
    'an event': [marked(EVENT), parseEvent],
    'an answer': [
      marked(EVENT, DAEMON_JSON),
      (text) => parseReply({ ok: true, json: Buffer.from(text), engine: 'docker' }, versionSchema, 'GET /x'),
    ],
  };
  for (const [name, [texts, parse]] of Object.entries(parsers)) {
    fc.assert(
      fc.property(texts, (text) => !complaint(parse(text)).includes(MARKER)),
      SEED,
    );
    t.pass(name);
  }
  t.end();
});

void t.test('answers of the engine: a problem never quotes what is in them', (t) => {
  const schemas: Readonly<Record<string, readonly [Schema<unknown>, unknown]>> = {
    info: [infoSchema, recordedJson('docker/info.json')],
    version: [versionSchema, recordedJson('docker/version.json')],
    network: [networkSchema, { Options: { a: 'b' } }],
    inspect: [inspectSchema, recordedInspect('default')],
    image: [imageSchema, recordedInspect('default')],
    history: [historySchema, [{ CreatedBy: 'x' }]],
  };
  for (const [name, [schema, sample]] of Object.entries(schemas)) {
    fc.assert(
      fc.property(
        markedValue(sample),
        (value) =>
          !complaint(
            parseReply({ ok: true, json: Buffer.from(JSON.stringify(value)), engine: 'docker' }, schema, 'GET /x'),
          ).includes(MARKER),
      ),
      SEED,
    );
    t.pass(name);
  }
  t.end();
});

void t.test('the configuration of this program', async (t) => {
  await fc.assert(
    fc.asyncProperty(marked('data-dir: /x\nlog-level: info\n', 'a: [1]\n', 'a: &x 1\nb: *x\n'), async (text) => {
      const { problems } = await parseConfigFile(text, 'plimsoll.yaml');
      // The name of a setting is what a person needs to find it.
      return problems.every(({ text: said, place }) => !`${said} ${place}`.includes(MARKER));
    }),
    SEED,
  );
  t.end();
});

void t.test('sshd_config', async (t) => {
  const runtime = await serveDocker(t, {});
  const host = treeHost(t, NODE_TREE);
  await fc.assert(
    fc.asyncProperty(
      marked('PermitRootLogin no\nMatch User ann\nMaxAuthTries 3\n', 'Ciphers +aes256-ctr\nUsePAM yes\n'),
      async (text) => {
        host.replace({ '/etc/ssh/sshd_config': text });
        const { contexts } = await sshdInspector.inspect(accessOf(host, runtime), {});
        return !complaint(contexts).includes(MARKER);
      },
    ),
    { ...SEED, numRuns: 150 },
  );
});
