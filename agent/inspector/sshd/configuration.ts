import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { SshdFact } from '../../../posture/fact/sshd.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { readText } from '../read-text.ts';
import type { ParseCache } from '../parse-cache.ts';
import { DEFAULT_CONFIG, VENDOR_CONFIG } from './command-line.ts';
import type { SshdOptions } from './command-line.ts';
import { contextsOf } from './contexts.ts';
import { evaluateStart } from './evaluate.ts';
import type { PlacedProblem, Surroundings } from './evaluate.ts';
import { expandConfig } from './expand-config.ts';
import type { ConfigFile, ExpandedConfig, PlacedDirective } from './expand-config.ts';
import { SERVICE_NAMES_MISSING } from './readers.ts';
import { readProgram } from './release.ts';
import type { SshdProgram } from './release.ts';
import { parseServices } from './services.ts';
import { decodeBytes } from './sshd-config.ts';
import { HOME_MISSING } from './values.ts';
import type { Options } from './values.ts';

/** What the configuration of one sshd comes to. */
export type SshdConfiguration = Pick<SshdFact, 'version' | 'loads' | 'contexts'> & {
  /** The main file is there. */
  readonly isPresent: boolean;
  readonly files: readonly ConfigFile[];
};

const MAX_PASSWD_BYTES = 8 * 1024 * 1024;

/** Lines read and evaluated; or why not. */
type Evaluated =
  | { readonly state: 'read'; readonly path: string; readonly config: ExpandedConfig; readonly start: Options }
  | { readonly state: 'absent' | 'refused' | 'unknown'; readonly place: string; readonly reason: string };

/** Reads the configuration of an sshd that was started with `options`; `executable` is its program, if it runs. */
export async function readConfiguration(
  host: Host,
  cache: ParseCache,
  options: SshdOptions,
  executable: string | undefined,
): Promise<SshdConfiguration> {
  const program = await readProgram(host, cache, executable);
  let surroundings: Surroundings = { program, homes: new Map(), services: undefined };
  let evaluated = await evaluate(host, options, surroundings);
  const { reason } = { reason: '', ...evaluated };
  if (evaluated.state === 'unknown' && NAMES_MISSING.some((text) => reason.endsWith(text))) {
    surroundings = { program, ...(await readNames(host)) };
    evaluated = await evaluate(host, options, surroundings);
  }
  const version = versionOf(program, executable ?? 'sshd');
  if (evaluated.state !== 'read') return { version, files: [], ...withoutSettings(evaluated) };
  const { path, config, start } = evaluated;
  const contexts = contextsOf(config, start, surroundings);
  return {
    version,
    loads: seen({ accepted: true, reason: '' }, path),
    contexts:
      contexts === undefined
        ? unreadable(path, 'the Match blocks have more combinations than are judged')
        : seen(contexts, path),
    isPresent: true,
    files: config.files,
  };
}

async function evaluate(host: Host, options: SshdOptions, surroundings: Surroundings): Promise<Evaluated> {
  const isNone = options.configPath.toLowerCase() === 'none';
  let config = isNone ? NO_CONFIG : await expandConfig(host, options.configPath, surroundings);
  let path = options.configPath;
  if ('problem' in config && config.problem === 'absent' && path === DEFAULT_CONFIG) {
    const ofVendor = await expandConfig(host, VENDOR_CONFIG, surroundings);
    const isThere = !('problem' in ofVendor) || ofVendor.problem !== 'absent';
    if (isThere) [config, path] = [ofVendor, VENDOR_CONFIG];
  }
  if ('problem' in config) {
    const { problem, place, reason } = config;
    return { state: problem === 'unreadable' ? 'unknown' : problem, place: decodeBytes(place), reason };
  }
  const onCommandLine = options.options.map((line): PlacedDirective => ({
    ...line,
    place: COMMAND_LINE,
    block: -1,
    isStart: true,
  }));
  const start = evaluateStart([...onCommandLine, ...config.directives], surroundings);
  return start.ok ? { state: 'read', path, config, start: start.options } : problemOf(start.problem);
}

/** `-f none` */
const NO_CONFIG: ExpandedConfig = { directives: [], blocks: [], files: [] };
/** Options come before the file, so they win. */
const COMMAND_LINE = '-o on the command line';

function problemOf({ kind, place, text }: PlacedProblem): Evaluated {
  // A running sshd has accepted its arguments: then it is the title of the process that was misread.
  const state = place === COMMAND_LINE ? 'unknown' : kind;
  return { state, place: decodeBytes(place), reason: text };
}

function withoutSettings({
  state,
  place,
  reason,
}: Exclude<Evaluated, { state: 'read' }>): Pick<SshdConfiguration, 'loads' | 'contexts' | 'isPresent'> {
  const source = clip(place, 4096);
  switch (state) {
    case 'absent':
      return { loads: absent(source), contexts: absent(source), isPresent: false };
    case 'unknown':
      return { loads: unreadable(source, reason), contexts: unreadable(source, reason), isPresent: true };
    case 'refused':
      return {
        loads: seen({ accepted: false, reason: clip(reason, 4096) }, source),
        contexts: unreadable(source, `sshd refuses this: ${reason}; what runs is older than the file`),
        isPresent: true,
      };
  }
}

function versionOf({ version, packaged }: SshdProgram, source: string): SshdFact['version'] {
  if (packaged !== undefined) return seen(clip(packaged.version, 256), packaged.source);
  return version === undefined ? unreadable(source, 'its version was not found') : seen(clip(version, 256), source);
}

/** Few files name a home directory or a service: these tables are read for those alone. */
const NAMES_MISSING = [SERVICE_NAMES_MISSING.text, HOME_MISSING.text];

async function readNames(host: Host): Promise<Pick<Surroundings, 'homes' | 'services'>> {
  const passwd = await readText(host, '/etc/passwd', MAX_PASSWD_BYTES);
  const services = await readText(host, '/etc/services');
  const isKnown = services.ok || services.code === 'absent';
  return {
    homes: parseHomes(passwd.ok ? passwd.value : ''),
    services: isKnown ? parseServices(services.ok ? services.value : '') : undefined,
  };
}

/** Home directories by user name, passwd(5); root's also by the empty name. */
function parseHomes(text: string): ReadonlyMap<string, string> {
  const homes = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [name, , uid, , , home] = line.split(':', 7);
    if (name === undefined || home === undefined) continue;
    if (!homes.has(name)) homes.set(name, home);
    if (uid === '0' && !homes.has('')) homes.set('', home);
  }
  return homes;
}
