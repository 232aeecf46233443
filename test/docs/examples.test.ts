import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import type { NodeLookup } from '../../collector/node-lookup.ts';
import { openRedactions } from '../../collector/sink/redactions.ts';
import { openSinks, sinkNames } from '../../collector/sinks.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { ROOT } from '../../scripts/setup.mjs';
import { systemClock } from '../../service/clock.ts';
import { loadSettings } from '../../service/config/load.ts';
import { SETTINGS } from '../../service/config/settings.ts';
import { SINK_NAMES } from '../../service/config/sink-names.ts';
import { issueCertificate } from '../../service/tls/issue.ts';

const DOCS = join(ROOT, 'docs');
const nobody: NodeLookup = { all: () => Promise.resolve([]), byId: () => Promise.resolve(() => undefined) };

interface Example {
  /** `docs/sinks.md:43`. */
  readonly place: string;
  readonly text: string;
}

/** The YAML of a page that is a configuration file of Plimsoll: its first key is a setting. */
function examplesOf(page: string): readonly Example[] {
  const content = readFileSync(join(DOCS, page), 'utf8');
  return [...content.matchAll(/^```yaml\n([^]*?)^```$/gm)].flatMap(({ 1: text = '', index }) => {
    const [, key = ''] = /^(?:#.*\n)*([a-z][\w-]*): \S/.exec(text) ?? [];
    const line = content.slice(0, index).split('\n').length;
    return Object.hasOwn(SETTINGS, key) ? [{ place: `docs/${page}:${String(line)}`, text }] : [];
  });
}

const EXAMPLES = readdirSync(DOCS, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .flatMap(examplesOf);

await t.test('a collector starts its sinks with every example of a configuration', async (t) => {
  const directory = t.testdir();
  const authority = await issueCertificate({ kind: 'authority' }, undefined, Date.now());
  const client = await issueCertificate({ kind: 'node', nodeId: 'collector' }, authority, Date.now());
  const contentOf = (path: string): string => {
    if (!path.endsWith('.pem')) return 'collector:0123456789abcdef0123456789abcdef\n';
    if (path.includes('key')) return client.keyPem;
    return path.includes('ca') ? authority.certificatePem : client.certificatePem;
  };
  const shown = new Set<string>();
  for (const { place, text } of EXAMPLES) {
    // The files that an example names.
    const config = text.replaceAll(/\/etc\/plimsoll\/[\w.-]+/g, (path) => {
      const own = join(directory, path);
      mkdirSync(dirname(own), { recursive: true });
      writeFileSync(own, contentOf(path), { mode: 0o600 });
      return own;
    });
    const loaded = await loadSettings({
      programs: ['collector'],
      flags: { config: '/config.yaml' },
      environment: {},
      readFile: (path) => Promise.resolve(path === '/config.yaml' ? config : undefined),
      uid: 0,
      home: '/root',
    });
    if (!loaded.ok) {
      t.strictSame(loaded.problems, [], place);
      continue;
    }
    const { settings } = loaded;
    const sinks = await openSinks({
      settings: { ...settings, sinkNdjson: 'off' },
      version: '0.1.0',
      clock: systemClock(),
      checks: CHECKS,
      nodes: nobody,
      log: { warn: () => undefined },
      redactions: await openRedactions(settings),
      standardOutput: new PassThrough(),
      environment: {},
    });
    for (const name of sinkNames(settings)) shown.add(name);
    await Promise.all(sinks.map((sink) => sink.close()));
    t.pass(place);
  }
  t.strictSame([...shown].toSorted(), [...SINK_NAMES].toSorted(), 'each kind of sink has an example');
});
