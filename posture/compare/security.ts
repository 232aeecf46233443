import {
  beyondDefault,
  CAPABILITY_NAMES,
  DOCKER_DEFAULT,
  isNearlyAll,
  LAST_CAPABILITY,
  plainName,
} from '../check/capability.ts';
import type { LiveContainer } from './container.ts';
import { counted, relationOf, setting, unreadSetting, yesNo } from './setting.ts';
import type { ComparedSetting } from './setting.ts';

/** Capabilities that are named in a cell; the rest is counted. */
const MAX_NAMES = 6;

/** Seccomp on the weakest thread, beside the profile that was asked for. */
export function seccompSetting({ declared, seccomp }: LiveContainer): ComparedSetting {
  const isOff =
    declared.seccompProfile === 'unconfined' || (declared.privileged && declared.seccompProfile !== 'custom');
  const asked = declared.seccompProfile === 'custom' ? 'custom profile' : declared.seccompProfile;
  const text =
    declared.privileged && isOff ? 'none (privileged)' : asked === 'unconfined' ? 'none (unconfined)' : asked;
  if (seccomp === null) return unreadSetting('seccomp', text);
  const isFiltered = seccomp.mode !== 'disabled';
  const filters = seccomp.filters > 0 ? counted(seccomp.filters, 'filter') : 'filter';
  const effective = { disabled: 'off', strict: 'strict mode', filter: filters }[seccomp.mode];
  return setting('seccomp', text, `${effective}, weakest of ${counted(seccomp.threads, 'thread')}`, {
    ...relationOf(
      isFiltered !== isOff,
      isFiltered ? 'stricter than declared' : 'a filter was declared, but none is in force',
    ),
    weakness: isFiltered ? '' : 'no seccomp filter',
  });
}

/** The bounding set, beside what the declared additions and drops amount to. */
export function capabilitySetting(container: LiveContainer): ComparedSetting {
  const { declared, capabilities } = container;
  const text = declaredCapabilities(declared);
  const { bounding = null, effective = null } = capabilities ?? {};
  if (bounding === null || effective === null) return unreadSetting('capabilities', text);
  const expected = expectedCapabilities(declared, bounding, container.lastCapability ?? LAST_CAPABILITY);
  const more = bounding.filter((name) => !expected.has(name));
  const fewer = [...expected].filter((name) => !bounding.includes(name));
  const difference = [
    ...(more.length > 0 ? [`more than declared: ${someOf(more)}`] : []),
    ...(fewer.length > 0 ? [`fewer than declared: ${someOf(fewer)}`] : []),
  ].join('; ');
  const excess = beyondDefault(bounding);
  return setting('capabilities', text, effectiveCapabilities(bounding, effective), {
    ...relationOf(difference === '', difference),
    weakness: excess.length === 0 ? '' : counted(excess.length, 'extra capability', 'extra capabilities'),
  });
}

/** no_new_privs on every thread, beside what was asked for. */
export function noNewPrivilegesSetting({ declared, noNewPrivs }: LiveContainer): ComparedSetting {
  const asked = declared.noNewPrivileges === null ? 'not asked for' : yesNo(declared.noNewPrivileges);
  if (noNewPrivs === null) return unreadSetting('no-new-privileges', asked);
  const isSame = declared.noNewPrivileges === null || declared.noNewPrivileges === noNewPrivs;
  return setting('no-new-privileges', asked, noNewPrivs ? 'yes, on every thread' : 'no', {
    ...relationOf(isSame, noNewPrivs ? 'set although it was not declared' : 'declared, but a thread runs without it'),
  });
}

/** The kernel has no flag for privileged: it shows in the bounding set, which then lacks hardly any capability. */
export function privilegedSetting({ declared, capabilities, lastCapability }: LiveContainer): ComparedSetting {
  const asked = yesNo(declared.privileged);
  const names = capabilities?.bounding ?? null;
  if (names === null) return unreadSetting('privileged', asked);
  const last = lastCapability ?? LAST_CAPABILITY;
  const holdsAll = isNearlyAll(names, last);
  const some = `${String(names.length)} of ${String(last + 1)} capabilities`;
  // A container that adds ALL was declared to have them.
  const isAsked = declared.privileged || declared.capAdd.map(plainName).includes('ALL');
  return setting('privileged', asked, holdsAll ? `effectively: ${some}` : `no: ${some}`, {
    ...relationOf(
      holdsAll === declared.privileged || (holdsAll && isAsked),
      holdsAll ? 'as powerful as privileged, but not declared' : 'declared, but capabilities are missing',
    ),
    weakness: declared.privileged || holdsAll ? 'privileged' : '',
  });
}

/** The label of the security module, beside the profile that was asked for. */
export function labelSetting({ declared, lsmLabel }: LiveContainer): ComparedSetting {
  const asked = [declared.apparmorProfile, declared.selinuxLabel].filter((text) => text !== '').join(' ');
  const text = asked === '' ? 'none' : asked;
  if (lsmLabel === null)
    return setting('AppArmor / SELinux', text, 'none or not read', { relation: asked === '' ? 'only' : 'unread' });
  const profile = lsmLabel.replace(/ \(\w+\)$/, '');
  return setting('AppArmor / SELinux', text, lsmLabel, {
    ...(asked === ''
      ? { relation: 'only' as const }
      : relationOf(asked.split(' ').includes(profile), 'another label than declared')),
    weakness: profile === 'unconfined' && asked !== '' ? 'unconfined' : '',
  });
}

/** With all that the node has, `all` is taken for what is held: only then nothing can be missing. */
function expectedCapabilities(
  { privileged, capAdd, capDrop }: LiveContainer['declared'],
  held: readonly string[],
  last: number,
): ReadonlySet<string> {
  const add = new Set(capAdd.map(plainName));
  const drop = new Set(capDrop.map(plainName));
  const all = isNearlyAll(held, last) ? held : CAPABILITY_NAMES.slice(0, last + 1);
  if (privileged) return new Set(all);
  const base = add.has('ALL')
    ? all
    : drop.has('ALL')
      ? []
      : CAPABILITY_NAMES.filter((name) => DOCKER_DEFAULT.has(name));
  const names = new Set(base.filter((name) => !drop.has(name)));
  for (const name of add) if (name !== 'ALL') names.add(name);
  return names;
}

function declaredCapabilities({ privileged, capAdd, capDrop }: LiveContainer['declared']): string {
  if (privileged) return 'all (privileged)';
  const parts = [
    ...(capDrop.length > 0 ? [`without ${someOf(capDrop.map(plainName))}`] : []),
    ...(capAdd.length > 0 ? [`with ${someOf(capAdd.map(plainName))}`] : []),
  ];
  return parts.length === 0 ? 'default set' : parts.join(', ');
}

function effectiveCapabilities(bounding: readonly string[], effective: readonly string[]): string {
  if (bounding.length === 0) return 'none';
  const excess = beyondDefault(bounding);
  const named = excess.length === 0 ? '' : `, beyond the default ${someOf(excess)}`;
  const held = effective.length === bounding.length ? '' : ` (${String(effective.length)} held now)`;
  return `${String(bounding.length)}${held}${named}`;
}

function someOf(names: readonly string[]): string {
  const left = names.length - MAX_NAMES;
  return names.slice(0, MAX_NAMES).join(', ') + (left > 0 ? ` and ${String(left)} more` : '');
}
