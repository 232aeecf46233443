import commands from './commands.json' with { type: 'json' };

/** Distributions that are managed in the same way. */
export const FAMILIES = ['alpine', 'bottlerocket', 'debian', 'flatcar', 'redhat', 'suse', 'talos'] as const;
/** One of {@link FAMILIES}. */
export type Family = (typeof FAMILIES)[number];

type Table = Readonly<Record<string, Readonly<Partial<Record<Family, readonly string[]>>>>>;
const COMMANDS: Table = commands;

/** Words by which os-release(5) or the name of an operating system names a family. */
const WORDS: Readonly<Record<Family, RegExp>> = Object.freeze({
  alpine: /\balpine\b/,
  bottlerocket: /\bbottlerocket\b/,
  debian: /\b(?:debian|ubuntu)\b/,
  flatcar: /\b(?:flatcar|coreos)\b/,
  redhat: /\b(?:rhel|red hat|fedora|centos|almalinux|rocky|oracle|ol|amzn|amazon)\b/,
  suse: /\b(?:sle|sles|sle-micro|suse|opensuse)\b/,
  talos: /\btalos\b/,
});

/** The family of a host, by the text of os-release(5) or by a name such as `Debian GNU/Linux 13`; undefined: none of these. */
export function familyOf(text: string): Family | undefined {
  const ids = [...text.matchAll(/^(?:ID|ID_LIKE|VARIANT_ID)="?([^"\n]*)"?$/gm)].map((match) => match[1]).join(' ');
  const words = (ids === '' ? text : ids).toLowerCase().slice(0, 1024);
  // Flatcar says that it is like CoreOS, and is neither Fedora nor Gentoo.
  const order: readonly Family[] = ['bottlerocket', 'talos', 'flatcar', 'alpine', 'suse', 'debian', 'redhat'];
  return order.find((family) => WORDS[family].test(words));
}

/**
 * What to run or to change on a host of this family for a check, in order; empty where the remediation of the check says
 * it for all. Entries of a check come before those of its area, and those before what holds for the whole family.
 */
export function commandsFor(check: string, family: Family): readonly string[] {
  const area = `${check.split('.', 1)[0] ?? ''}.*`;
  for (const key of [check, area, '*']) {
    const found = Object.hasOwn(COMMANDS, key) ? COMMANDS[key]?.[family] : undefined;
    if (found !== undefined) return found;
  }
  return [];
}
