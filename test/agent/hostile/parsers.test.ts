import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import t from 'tap';
import { containerInfoSchema, sandboxInfoSchema } from '../../../agent/runtime/cri/runtime-spec.ts';
import { containerListSchema, inspectSchema } from '../../../agent/runtime/docker/container-schema.ts';
import { imageListSchema, infoSchema, networkSchema, versionSchema } from '../../../agent/runtime/docker/engine.ts';
import { historySchema, imageSchema } from '../../../agent/runtime/docker/image.ts';
import { parseMountinfo } from '../../../agent/inspector/proc/mountinfo.ts';
import type { Schema } from '../../../posture/schema.ts';
import { SEED } from '../../fixture/inspector/read.ts';

const AGENT = fileURLToPath(new URL('../../../agent', import.meta.url));
const FIXTURES = fileURLToPath(new URL('../../fixture/inspector', import.meta.url));
const FOLDERS = ['inspector', 'probe', 'record', 'runtime', 'status'];
/** An export with such a name takes something from outside apart. */
const IS_PARSER = /^(?:parse|redact|to)(?=[A-Z])|Schema$/;

interface Input {
  readonly bytes: Buffer;
  readonly text: string;
  readonly json: unknown;
}
type Parser = (...args: readonly unknown[]) => unknown;
type Feed = (parser: Parser, input: Input) => unknown;

const words: Feed = (parse, { text }) => parse(text.split(/[\0\n ]/));
const bytes: Feed = (parse, input) => parse(input.bytes);
const pieces = (push: (part: Buffer) => unknown, whole: Buffer): void => {
  for (let at = 0; at < whole.length; at += 7) push(whole.subarray(at, at + 7));
};
/** What a schema lets through is what comes to the function behind it. */
const behind =
  (schema: Schema<unknown>): Feed =>
  (convert, { json }) => {
    const parsed = schema.parse(json);
    if (parsed.ok) convert(parsed.value);
  };
const nothing: Feed = () => undefined;
const POD = { sandboxId: 's1', name: 'web-0', namespace: 'shop', uid: '7f3e', isReady: true, ports: [] };
const ORIGIN = { runtime: 'containerd', endpoint: 'unix:///x' };

/** How those are called that do not take one text. A parser that is not here is called with a text: none is left out. */
const FEEDS: Readonly<Record<string, Feed>> = {
  'runtime/docker/declared.ts parseSecurityOptions': words,
  'runtime/docker/declared.ts toDeclared': behind(inspectSchema),
  // These read what parseProcStatus answered.
  'inspector/container/security-contexts.ts toSecurityContexts': nothing,
  'inspector/container/thread-facts.ts toThreadFacts': nothing,
  'runtime/docker/engine.ts parseInterContainer': behind(networkSchema),
  'runtime/docker/engine.ts toContainerCounts': behind(infoSchema),
  'runtime/docker/engine.ts toDockerApi': behind(infoSchema),
  'inspector/crio/config.ts parseStarted': (parse, { text }) => parse(text.split('\0'), text.split('\0')),
  'inspector/docker/daemon-flags.ts parseDaemonFlags': words,
  'inspector/docker/daemon-json.ts parseDaemonJson': bytes,
  'runtime/docker/image.ts toHistory': behind(historySchema),
  'runtime/docker/image.ts toImage': behind(imageSchema),
  'inspector/kernel/parse.ts parseSecureBoot': bytes,
  'inspector/proc/proc-net-unix.ts parseUnixListeners': (parse, { text }) => parse(text, '/docker.sock'),
  'inspector/sshd/command-line.ts parseSshdCommandLine': words,
  'inspector/sshd/match-condition.ts parseCondition': (parse, { text }) =>
    parse(text.split(/[\s\0]/), { release: 1000, version: text, holds: () => true }, new Map()),
  'inspector/sshd/release.ts parseProgram': bytes,
  'inspector/sshd/sshd-config.ts parseSshdConfig': (parse, input) => {
    for (const splitting of ['words', 'delimiters']) parse(input.bytes, splitting);
  },
  'probe/server-flight.ts parseServerFlight': bytes,
  'record/redact-file.ts redactFile': (redact, input) => {
    for (const path of ['/etc/x.json', '/proc/cmdline', '/proc/7/environ', '/proc/7/cmdline', '/etc/passwd'])
      redact(path, input.bytes);
  },
  'runtime/docker/reply.ts parseReply': (parse, input) =>
    parse({ ok: true, json: input.bytes, engine: 'docker' }, inspectSchema, ''),
  'runtime/docker/container.ts toContainer': (convert, { json }) => {
    const parsed = inspectSchema.parse(json);
    if (parsed.ok) convert({ ok: true, value: parsed.value, source: '' }, '', 'unix:///x');
  },
  'runtime/docker/container.ts toListedContainer': (convert, { json }) => {
    const parsed = containerListSchema.parse(json);
    if (parsed.ok) for (const entry of parsed.value) convert(entry);
  },
  'runtime/docker/engine.ts toVersion': behind(versionSchema),
  'runtime/cri/runtime-spec.ts parseInfo': (parse, { text, json }) => {
    for (const info of [text, JSON.stringify(json)])
      for (const schema of [containerInfoSchema, sandboxInfoSchema]) parse(info, schema);
  },
  'runtime/cri/container.ts toContainer': (convert, { text, json }) => {
    const parsed = containerInfoSchema.parse(json);
    const status = { id: text, metadata: { name: text }, state: 1, startedAt: 1e30, imageRef: text };
    if (parsed.ok) convert({ status, info: parsed.value, pod: POD, imageId: '' }, ORIGIN);
  },
  'runtime/cri/container.ts toSandbox': (convert, { json }) => {
    const parsed = sandboxInfoSchema.parse(json);
    if (parsed.ok) convert({ status: { createdAt: -1 } }, { pod: POD, info: parsed.value, origin: ORIGIN });
  },
  'runtime/cri/declared.ts toDeclared': (convert, { json }) => {
    const parsed = containerInfoSchema.parse(json);
    if (parsed.ok) convert(parsed.value.runtimeSpec, { id: 'c1', pod: POD, info: parsed.value });
  },
  'runtime/cri/pod.ts toPod': (convert, { text, json }) => {
    const parsed = sandboxInfoSchema.parse(json);
    if (parsed.ok)
      convert({ status: { id: text, metadata: { name: text, uid: text, namespace: text } } }, parsed.value);
  },
  'runtime/cri/engine.ts toEngineInfo': (convert, { text }) =>
    convert(
      { info: { config: text } },
      { name: 'containerd', version: text, apiVersion: '' },
      { ok: false, reason: '', source: 'x' },
    ),
  'runtime/cri/listing.ts toListedContainers': (convert, { text }) =>
    convert({ containers: [{ id: text, metadata: { name: text }, state: 1 }], sandboxes: [{ id: text }] }),
  'record/record-runtime.ts toRecordedEngine': nothing,
  // Those whose names do not say what they are.
  'inspector/accounts.ts namesOf': (parse, { text }) => parse(text),
  'inspector/listener/choose.ts streamPorts': words,
  'inspector/proc/cgroup.ts cgroupMounts': (parse, { text }) => parse(parseMountinfo(text)),
  'inspector/proc/cgroup.ts containerIds': (parse, { text }) => parse(text),
  'inspector/proc/mountinfo.ts overlayLayers': (parse, { text }) => parse(text),
  'inspector/sshd/algorithms.ts assembleAlgorithms': (parse, { text }) =>
    parse({ all: ['a', 'b'], defaults: ['a'] }, text),
  'inspector/account/public-key.ts parseKeyBlob': bytes,
  'inspector/audit/rules.ts parseRuleFile': (parse, { text }) => parse({ path: '/etc/audit/audit.rules', text }),
  'runtime/docker/engine.ts toStoredImages': behind(imageListSchema),
  'inspector/kubelet/command-line.ts parseKubeletFlags': words,
  'inspector/sshd/command-line.ts isListener': words,
  'inspector/sshd/sshd-config.ts splitArguments': (parse, { text }) => parse(text),
  'inspector/sshd/wildcard.ts matchesPatternList': (match, { text }) => match(text, text.slice(0, 64)),
  'record/content-path.ts contentPath': (path, { text }) => path('readFile', text),
  'runtime/docker/events.ts createEventLines': (create, input) => {
    const { push } = create(() => undefined) as { readonly push: (part: Buffer) => unknown };
    pieces(push, input.bytes);
  },
  'runtime/docker/engine-address.ts parseEndpoint': (parse, { text }) => parse(`tcp://${text}`),
};

/** Whole files as the kernel and the engine write them, and lines that a parser goes further into. */
const SAMPLES: readonly string[] = [
  ...readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' })
    .map((name) => join(FIXTURES, name))
    .filter((path) => statSync(path).isFile() && !path.endsWith('.ts'))
    .map((path) => readFileSync(path, 'latin1')),
  '{"Type":"container","Action":"start","Actor":{"ID":"c","Attributes":{"container":"x"}}}\n',
  'Match User "a b",!c Address 10.0.0.0/8\nInclude /etc/ssh/*.conf\nPort=22\nCiphers +aes256-ctr\nLoginGraceTime 1h30m\n',
  '{"sandboxID":"s1","pid":7,"privileged":false,"image":"pause","config":{"port_mappings":[{"host_port":80}]},"runtimeSpec":{"process":{"user":{"uid":1},"capabilities":{"bounding":["CAP_CHOWN"]}},"mounts":[{"destination":"/x","type":"bind","source":"/x","options":["ro","rbind"]}],"annotations":{"io.kubernetes.cri-o.PortMappings":"[{}]"},"linux":{"cgroupsPath":"/a/b","namespaces":[{"type":"pid"}],"resources":{"devices":[{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"}]},"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}}}}',
  '[Socket]\nListenStream=/run/docker.sock\\\n  x\n; comment\n[Install]\n',
  'root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n',
  'dockerd\0--host=fd://\0--log-opt\0x=y\0-D\0--\0',
  'seccomp=unconfined\nlabel=type:x\nno-new-privileges:true\nname=seccomp,profile=builtin\n',
];

const TEXTS = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
  fc.string({ unit: 'binary', maxLength: 200 }).map((text) => Buffer.from(text)),
  // A file as it should be, with a piece of it taken away, doubled, or replaced by whatever there is.
  fc
    .tuple(fc.constantFrom(...SAMPLES), fc.nat(), fc.nat(200), fc.uint8Array({ maxLength: 40 }), fc.boolean())
    .map(([sample, at, length, array, doubled]) => {
      const whole = Buffer.from(sample, 'latin1');
      const from = at % (whole.length + 1);
      const piece = whole.subarray(from, from + length);
      const middle = doubled ? Buffer.concat([piece, piece]) : Buffer.from(array);
      return Buffer.concat([whole.subarray(0, from), middle, whole.subarray(from + length)]);
    }),
);
const ANSWERS = SAMPLES.flatMap((sample) => {
  try {
    const value: unknown = JSON.parse(sample);
    return Array.isArray(value) ? [value, value[0] as unknown] : [value];
  } catch {
    return [];
  }
});
const JSONS = fc.oneof(
  fc.jsonValue(),
  fc.tuple(fc.constantFrom(...ANSWERS), fc.nat(), fc.jsonValue()).map(([answer, at, other]) => {
    let left = at % 60;
    // Another value in one place of a good answer.
    return JSON.parse(JSON.stringify(answer), (_key, value: unknown) => ((left -= 1) === 0 ? other : value)) as unknown;
  }),
);
const INPUTS: fc.Arbitrary<Input> = fc
  .tuple(TEXTS, JSONS)
  .map(([whole, json]) => ({ bytes: whole, text: whole.toString('utf8'), json }));

const modules = FOLDERS.flatMap((folder) =>
  readdirSync(join(AGENT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => `${folder}/${name}`),
).sort();

const seen = new Set<string>();
for (const module of modules) {
  const exported = (await import(join(AGENT, module))) as Readonly<Record<string, unknown>>;
  for (const [name, value] of Object.entries(exported)) {
    const key = `${module} ${name}`;
    if (FEEDS[key] === undefined && !IS_PARSER.test(name)) continue;
    seen.add(key);
    void t.test(key, (t) => {
      const isSchema = typeof value === 'object' && value !== null && 'parse' in value;
      const feed: Feed =
        FEEDS[key] ??
        (isSchema ? (_, { json }) => (value as Schema<unknown>).parse(json) : (parse, { text }) => parse(text));
      fc.assert(
        fc.property(INPUTS, (input) => void feed(value as Parser, input)),
        SEED,
      );
      t.end();
    });
  }
}

void t.test('the table names nothing that is not there, and nobody is missing', (t) => {
  t.same(
    Object.keys(FEEDS).filter((key) => !seen.has(key)),
    [],
  );
  t.ok(seen.size > 50, `${String(seen.size)} parsers`);
  t.ok(ANSWERS.length > 8 && SAMPLES.length > 30);
  t.end();
});
