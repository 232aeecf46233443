import { judgeSteps, commandsOf, wordsOf } from '../build-step.ts';
import { imageCheck } from '../check.ts';

interface PackageTool {
  readonly names: readonly string[];
  /** Subcommands that do nothing but fetch the index. */
  readonly refresh: readonly string[];
  /** Subcommands that install from it. */
  readonly install: readonly string[];
}

const TOOLS: readonly PackageTool[] = [
  {
    names: ['apt', 'apt-get', 'aptitude'],
    refresh: ['update'],
    install: ['install', 'upgrade', 'dist-upgrade', 'full-upgrade', 'safe-upgrade', 'build-dep', 'satisfy'],
  },
  { names: ['apk'], refresh: ['update'], install: ['add', 'upgrade', 'fix'] },
  {
    names: ['yum', 'dnf', 'dnf5', 'microdnf', 'tdnf'],
    refresh: ['makecache', 'check-update'],
    install: ['install', 'update', 'upgrade', 'groupinstall', 'builddep', 'distro-sync'],
  },
  { names: ['zypper'], refresh: ['refresh', 'ref'], install: ['install', 'in', 'update', 'up', 'dup', 'patch'] },
];

/** Options of these tools whose value is the next word. */
const WITH_VALUE = new Set(['-o', '--option', '-c', '-t', '-R', '--root', '-X', '--repository', '-p']);

export const packageIndexLayer = imageCheck({
  id: 'image.package-index-layer',
  title: 'Package index is updated with the install',
  failTitle: 'Package index is updated in a separate step',
  judgedBy: 'configuration',
  severity: 'low',
  rationale:
    'The builder caches such a step separately: months later, packages are still installed from the old index, with vulnerabilities that were fixed long ago.',
  remediation: 'Write both into one step: RUN apt-get update && apt-get install -y … && rm -rf /var/lib/apt/lists/*.',
  references: ['https://docs.docker.com/build/building/best-practices/#apt-get'],
  judges: 'image',
  needs: [],
  judge: (image) =>
    judgeSteps(image, {
      meaning: 'a cached package index outlives its step',
      expected: 'update and install in one step',
      wrong: loneRefresh,
    }),
});

/** The command that refreshes an index which this step does not use. */
function loneRefresh(step: string): string | undefined {
  const commands = commandsOf(step);
  for (const tool of TOOLS) {
    const refresh = commands.find((words) => isNamed(words[0], tool) && tool.refresh.includes(verbOf(words)));
    if (refresh !== undefined && !commands.some((words) => installs(words, tool))) return wordsOf(refresh);
  }
  return undefined;
}

/** Also behind `xargs`, where options make it hard to tell which word is the verb: a false alarm would be worse. */
function installs(words: readonly string[], tool: PackageTool): boolean {
  const at = words.findIndex((word) => isNamed(word, tool));
  return at >= 0 && words.slice(at).some((word) => tool.install.includes(word));
}

function isNamed(word: string | undefined, { names }: PackageTool): boolean {
  return word !== undefined && names.includes(word.slice(word.lastIndexOf('/') + 1));
}

function verbOf(words: readonly string[]): string {
  for (let index = 1; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (WITH_VALUE.has(word)) index += 1;
    else if (!word.startsWith('-')) return word;
  }
  return '';
}
