import { absent, seen, unreadable } from '../../../posture/observed.ts';
import type { HostFact } from '../../../posture/fact/host.ts';
import type { Host } from '../../host/host.ts';
import { clip } from '../clip.ts';
import { isAptPart, parseAptConfig } from './apt-config.ts';
import { readText, unseen } from '../read-text.ts';
import { compareKeys } from '../../../posture/text-order.ts';

const BINFMT = '/proc/sys/fs/binfmt_misc';
const MAX_HANDLERS = 64;
const MAX_DROP_INS = 64;

/** Libraries that every program loads first, ld.so(8). */
export async function readPreload(host: Host): Promise<HostFact['preloadedLibraries']> {
  const path = '/etc/ld.so.preload';
  const read = await readText(host, path, 64 * 1024);
  if (!read.ok) return unseen(read, path);
  const words = read.value
    .replaceAll(/#.*$/gm, '')
    .split(/[\s:]+/)
    .filter((word) => word !== '');
  return seen(
    words.slice(0, 16).map((word) => clip(word, 256)),
    path,
  );
}

/** Handlers of binfmt_misc, Documentation/admin-guide/binfmt-misc.rst: `enabled`, `interpreter PATH`, `flags: OCF`. */
export async function readBinaryFormats(host: Host): Promise<HostFact['binaryFormats']> {
  const listed = await host.list(BINFMT, { maxEntries: MAX_HANDLERS + 2 });
  if (!listed.ok) return unseen(listed, BINFMT);
  const handlers = [];
  for (const name of listed.value) {
    if (name === 'register' || name === 'status') continue;
    const read = await readText(host, `${BINFMT}/${name}`, 64 * 1024);
    if (!read.ok && read.code === 'absent') continue;
    if (!read.ok) return unreadable(`${BINFMT}/${name}`, read.reason);
    if (!read.value.startsWith('enabled')) continue;
    handlers.push({
      name: clip(name, 256),
      interpreter: clip(/^interpreter (.*)$/m.exec(read.value)?.[1] ?? '', 4096),
      flags: clip(/^flags: ([A-Z]*)$/m.exec(read.value)?.[1] ?? '', 16),
    });
  }
  return seen(handlers, BINFMT);
}

/** `/proc/swaps`: `Filename Type Size Used Priority`, the first line is a head. */
export async function readSwap(host: Host): Promise<HostFact['swap']> {
  const source = '/proc/swaps';
  const read = await readText(host, source, 64 * 1024);
  // A kernel without swap has no such file.
  if (!read.ok) return read.code === 'absent' ? seen([], source) : unseen(read, source);
  const areas = [];
  for (const line of read.value.split('\n').slice(1, 65)) {
    const path = line.split(/\s/, 1)[0] ?? '';
    if (path === '') continue;
    const device = /^\/dev\/(zram\d+|dm-\d+)$/.exec(path)?.[1] ?? '';
    const uuid = device.startsWith('dm-') ? await readText(host, `/sys/block/${device}/dm/uuid`, 4096) : undefined;
    const isEncrypted = uuid?.ok === true && uuid.value.startsWith('CRYPT-');
    areas.push({ path: clip(path, 4096), protected: device.startsWith('zram') || isEncrypted });
  }
  return seen(areas, source);
}

/** Where journald writes, journald.conf(5): `auto` (the default) is persistent where /var/log/journal exists. */
export async function readJournal(host: Host): Promise<HostFact['journal']> {
  const socket = await host.stat('/run/systemd/journal/socket');
  if (!socket.ok) return unseen(socket, '/run/systemd/journal/socket');
  const setting = await readSetting(host, 'journald.conf', 'Storage');
  if (!setting.ok) return unreadable(setting.path, setting.reason);
  const storage = setting.value.toLowerCase();
  if (storage === 'none' || storage === 'persistent' || storage === 'volatile') return seen(storage, setting.path);
  const directory = await host.stat('/var/log/journal');
  if (!directory.ok && directory.code !== 'absent') return unreadable('/var/log/journal', directory.reason);
  return seen(directory.ok ? 'persistent' : 'volatile', '/var/log/journal');
}

type Setting =
  | { readonly ok: true; readonly value: string; readonly path: string }
  | { readonly ok: false; readonly path: string; readonly reason: string };

/** A setting of a file of systemd and its drop-ins: the main file of the first directory, then `NAME.d/*.conf` by name. */
async function readSetting(host: Host, file: string, key: string): Promise<Setting> {
  const directories = ['/etc/systemd', '/run/systemd', '/usr/local/lib/systemd', '/usr/lib/systemd', '/lib/systemd'];
  const dropIns = new Map<string, string>();
  let main: string | undefined;
  for (const directory of directories) {
    const stat = main === undefined ? await host.stat(`${directory}/${file}`) : undefined;
    if (stat?.ok === true) main = `${directory}/${file}`;
    const listed = await host.list(`${directory}/${file}.d`, { maxEntries: MAX_DROP_INS });
    if (!listed.ok && listed.code !== 'absent')
      return { ok: false, path: `${directory}/${file}.d`, reason: listed.reason };
    for (const name of listed.ok ? listed.value : [])
      if (name.endsWith('.conf') && !dropIns.has(name)) dropIns.set(name, `${directory}/${file}.d/${name}`);
  }
  const sorted = [...dropIns].sort(compareKeys).map(([, path]) => path);
  let value = '';
  let from = main ?? `/etc/systemd/${file}`;
  for (const path of [...(main === undefined ? [] : [main]), ...sorted]) {
    const read = await readText(host, path, 256 * 1024);
    if (!read.ok && read.code === 'absent') continue;
    if (!read.ok) return { ok: false, path, reason: read.reason };
    const last = [...read.value.matchAll(new RegExp(`^[ \\t]*${key}[ \\t]*=[ \\t]*(\\S*)`, 'gm'))].at(-1)?.[1];
    if (last === undefined) continue;
    value = last;
    from = path;
  }
  return { ok: true, value, path: from };
}

/** What installs updates without being asked: by distribution. */
export async function readAutomaticUpdates(host: Host): Promise<HostFact['automaticUpdates']> {
  const apt = await readUnattendedUpgrades(host);
  if (apt.state !== 'absent') return apt;
  for (const directory of UPDATE_DIRECTORIES) {
    const listed = await host.list(directory, { maxEntries: 1024 });
    if (!listed.ok && listed.code !== 'absent') return unreadable(directory, listed.reason);
    for (const name of listed.ok ? listed.value : []) {
      const what = UPDATE_UNITS.get(name);
      if (what !== undefined) return seen(what, `${directory}/${name}`);
    }
  }
  return apt;
}

const PERIODIC = 'apt::periodic';
/** Starts it every day. */
const APT_TIMER = '/etc/systemd/system/apt-daily-upgrade.timer';

/** Debian and Ubuntu: the program is installed, and APT starts it, apt.conf(5). The last file that says so counts. */
async function readUnattendedUpgrades(host: Host): Promise<HostFact['automaticUpdates']> {
  const directory = '/etc/apt/apt.conf.d';
  const program = await host.stat('/usr/bin/unattended-upgrade');
  if (!program.ok) return program.code === 'absent' ? absent(directory) : unreadable(directory, program.reason);
  const listed = await host.list(directory, { maxEntries: 256 });
  if (!listed.ok && listed.code !== 'absent') return unreadable(directory, listed.reason);
  const parts = listed.ok ? listed.value.filter(isAptPart).map((name) => `${directory}/${name}`) : [];
  const values = new Map<string, string>();
  for (const path of [...parts, '/etc/apt/apt.conf']) {
    const read = await readText(host, path, 256 * 1024);
    if (!read.ok && read.code !== 'absent') return unreadable(path, read.reason);
    for (const change of read.ok ? parseAptConfig(read.value) : []) {
      if (change.kind === 'set') values.set(change.name, change.value);
      else
        for (const name of values.keys())
          if (name === change.name || name.startsWith(`${change.name}::`)) values.delete(name);
    }
  }
  const isOn = (name: string, unset: string): boolean =>
    !['', '0'].includes(values.get(`${PERIODIC}::${name}`) ?? unset);
  const masked = await host.readLink(APT_TIMER);
  return isOn('enable', '1') && isOn('unattended-upgrade', '0') && !(masked.ok && masked.value === '/dev/null')
    ? seen('unattended-upgrades', directory)
    : absent(directory);
}

/** Where systemd has the links to units that it starts. */
const UPDATE_DIRECTORIES: readonly string[] = [
  '/etc/systemd/system/timers.target.wants',
  '/etc/systemd/system/multi-user.target.wants',
  '/usr/lib/systemd/system/multi-user.target.wants',
];
/** Units that install updates. */
const UPDATE_UNITS: ReadonlyMap<string, string> = new Map([
  ['dnf-automatic.timer', 'dnf-automatic'],
  ['dnf-automatic-install.timer', 'dnf-automatic'],
  ['dnf5-automatic.timer', 'dnf5-automatic'],
  ['yum-cron.timer', 'yum-cron'],
  ['transactional-update.timer', 'transactional-update'],
  ['rpm-ostreed-automatic.timer', 'rpm-ostree'],
  ['zincati.service', 'zincati'],
  ['update-engine.service', 'update-engine'],
]);
