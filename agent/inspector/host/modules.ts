import { absent, seen, unreadable } from '../../../posture/observed.ts';
import { RARE_MODULES } from '../../../posture/fact/host.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import { NODE_SUBJECT } from '../parse-cache.ts';
import type { CachedHost } from '../parse-cache.ts';
import { bootWords } from '../kernel/boot-parameters.ts';
import { readText, unseen } from '../read-text.ts';

/** Where modprobe reads its configuration, modprobe.d(5); of files with the same name the first counts. */
export const MODPROBE_DIRECTORIES: readonly string[] = Object.freeze([
  '/etc/modprobe.d',
  '/run/modprobe.d',
  '/usr/local/lib/modprobe.d',
  '/usr/lib/modprobe.d',
  '/lib/modprobe.d',
]);

const MODULES_DISABLED = '/proc/sys/kernel/modules_disabled';
const MODPROBE = '/proc/sys/kernel/modprobe';
const COMMAND_LINE = '/proc/cmdline';

const MAX_FILES = 256;
const MAX_INDEX_BYTES = 8 * 1024 * 1024;

/** Which of the rare modules are loaded, can be loaded, and may not. */
export async function readModules(access: CachedHost, release: string): Promise<HostFact['modules']> {
  const { host, cache } = access;
  const loaded = await readText(host, '/proc/modules', MAX_INDEX_BYTES);
  // A kernel without modules has no such file, and loads none.
  if (!loaded.ok && loaded.code !== 'absent') return unseen(loaded, '/proc/modules');
  const isLoaded = new Set(loaded.ok ? [...loaded.value.matchAll(/^(\w+) /gm)].map((match) => match[1] ?? '') : []);
  const directory = `/lib/modules/${release}`;
  const installed = new Set<string>();
  for (const file of ['modules.dep', 'modules.builtin']) {
    const path = `${directory}/${file}`;
    const read = await host.readFile(path, { maxBytes: MAX_INDEX_BYTES });
    if (!read.ok && read.code !== 'absent') return unreadable(path, read.reason);
    if (!read.ok) continue;
    const names = cache.parsed(NODE_SUBJECT, path, read.value, (bytes) => rareModulesIn(bytes.toString('latin1')));
    for (const name of names) (file === 'modules.dep' ? installed : isLoaded).add(name);
  }
  const denied = await readDenied(access);
  if ('reason' in denied) return unreadable(denied.path, denied.reason);
  const closed = await readText(host, MODULES_DISABLED);
  const helper = await readText(host, MODPROBE);
  if (!closed.ok && closed.code !== 'absent') return unreadable(MODULES_DISABLED, closed.reason);
  if (!helper.ok && helper.code !== 'absent') return unreadable(MODPROBE, helper.reason);
  // kernel.rst: no module at all is loaded then; without a helper, none when a program asks for what it brings.
  const isClosed = (closed.ok && closed.value.trim() === '1') || (helper.ok && helper.value.trim() === '');
  const modules = RARE_MODULES.map((name) => ({
    name,
    loaded: isLoaded.has(name),
    available: loaded.ok && installed.has(name),
    denied: isClosed || denied.names.has(name),
  }));
  return loaded.ok ? seen(modules, '/proc/modules') : absent('/proc/modules');
}

/** `kernel/net/sctp/sctp.ko.xz: …`, a line each, modules.dep(5). In names `-` and `_` are the same. */
export function rareModulesIn(text: string): readonly string[] {
  return RARE_MODULES.filter((name) =>
    new RegExp(`(?:^|/)${name.replaceAll('_', '[-_]')}\\.ko(?:\\.\\w+)?(?::|$)`, 'm').test(text),
  );
}

async function readDenied({
  host,
}: CachedHost): Promise<{ readonly names: ReadonlySet<string> } | { readonly path: string; readonly reason: string }> {
  const cmdline = await readText(host, COMMAND_LINE);
  if (!cmdline.ok && cmdline.code !== 'absent') return { path: COMMAND_LINE, reason: cmdline.reason };
  const names = new Set(cmdline.ok ? modulesDeniedAtBoot(cmdline.value) : []);
  const known = new Set<string>();
  for (const directory of MODPROBE_DIRECTORIES) {
    const listed = await host.list(directory, { maxEntries: MAX_FILES });
    if (!listed.ok && listed.code !== 'absent') return { path: directory, reason: listed.reason };
    for (const name of listed.ok ? listed.value : []) {
      if (!name.endsWith('.conf') || known.has(name)) continue;
      known.add(name);
      const path = `${directory}/${name}`;
      const read = await readText(host, path, 256 * 1024);
      if (!read.ok && read.code !== 'absent') return { path, reason: read.reason };
      for (const module of read.ok ? deniedModules(read.value) : []) names.add(module);
    }
  }
  return { names };
}

/**
 * `module_blacklist=` (kernel-parameters.txt): the kernel refuses modules with exactly these names; of several the last
 * counts. `modprobe.blacklist=`, kernel-command-line(7) and modprobe(8): as in modprobe.d(5).
 */
export function modulesDeniedAtBoot(text: string): readonly string[] {
  let byKernel: readonly string[] = [];
  const byModprobe: string[] = [];
  for (const word of bootWords(text)) {
    const [, name, value = ''] = /^([^=]+)=(.*)$/s.exec(word) ?? [];
    if (name?.replaceAll('-', '_') === 'module_blacklist') byKernel = value.split(',');
    if (name === 'modprobe.blacklist') byModprobe.push(...value.split(',').map((each) => each.replaceAll('-', '_')));
  }
  return [...byKernel, ...byModprobe];
}

/**
 * Modules that modprobe.d(5) keeps from being loaded: `install NAME /bin/false`. `blacklist NAME` is not enough where a
 * user asks for the module by its name, but is for one that the kernel asks for by an alias.
 */
export function deniedModules(text: string): readonly string[] {
  const names: string[] = [];
  for (const match of text.matchAll(
    /^[ \t]*(?:install[ \t]+(\S+)[ \t]+(?:\/usr)?\/bin\/(?:true|false)|blacklist[ \t]+(\S+))[ \t]*$/gm,
  ))
    names.push((match[1] ?? match[2] ?? '').replaceAll('-', '_'));
  return names;
}
