import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What a reference tool says about a pair of versions; `rejected` where it accepts one of them as no version. */
export type ToolVerdict = -1 | 0 | 1 | 'rejected';

/** A reference tool that compares many pairs in one process. */
export interface VersionTool {
  /** For the `skip` option of a test: why it is skipped, or false. */
  readonly absent: string | false;
  readonly compare: (pairs: readonly (readonly [string, string])[]) => readonly ToolVerdict[];
}

const PERL = `
use Dpkg::Version;
while (my $line = <STDIN>) {
  chomp $line; my ($a, $b) = split /\\t/, $line, -1;
  my $order = eval { version_compare($a, $b) };
  print defined $order ? $order : 'rejected', "\\n";
}`;

// In a macro a percent sign starts another macro, so patterns are out.
const LUA = `
for line in io.lines() do
  local tab = line:find("\\t", 1, true)
  local ok, order = pcall(function()
    local a, b = rpm.ver(line:sub(1, tab - 1)), rpm.ver(line:sub(tab + 1))
    return a < b and -1 or a == b and 0 or 1
  end)
  print((ok and tostring(order) or "rejected") .. "\\n")
end`;

const PYTHON = `
import sys
from packaging.version import Version
for line in sys.stdin:
    a, b = line.rstrip('\\n').split('\\t')
    try:
        x, y = Version(a), Version(b)
        print((x > y) - (x < y))
    except Exception:
        print('rejected')`;

const RUBY = `
STDIN.each_line(chomp: true) do |line|
  a, b = line.split("\\t", -1)
  puts(begin Gem::Version.new(a) <=> Gem::Version.new(b) rescue 'rejected' end)
end`;

const PHP = `
while (($line = fgets(STDIN)) !== false) {
  [$a, $b] = explode("\\t", rtrim($line, "\\n"));
  echo version_compare($a, $b), "\\n";
}`;

const COMPOSER = `
require '/usr/share/php/Composer/Semver/autoload.php';
$parser = new Composer\\Semver\\VersionParser;
while (($line = fgets(STDIN)) !== false) {
  [$a, $b] = explode("\\t", rtrim($line, "\\n"));
  try { echo version_compare($parser->normalize($a), $parser->normalize($b)), "\\n"; }
  catch (UnexpectedValueException $e) { echo "rejected\\n"; }
}`;

/** `Dpkg::Version` of dpkg. */
export const perlDpkg = tool('perl', ['-e', PERL], '/usr/share/perl5/Dpkg/Version.pm');
/** `rpm.ver` of rpm. */
export const rpmLua = tool('rpm', ['--eval', `%{lua:${LUA}}`]);
/** `packaging.version` of Python. */
export const pythonPackaging = tool('python3', ['-c', PYTHON], '/usr/lib/python3/dist-packages/packaging/version.py');
/** `Gem::Version` of Ruby. */
export const rubyGems = tool('ruby', ['-e', RUBY]);
/** `version_compare` of PHP. */
export const phpVersionCompare = tool('php', ['-r', PHP]);
/** Composer: versions normalised, then compared by PHP. */
export const composer = tool('php', ['-r', COMPOSER], '/usr/share/php/Composer/Semver/autoload.php');

const MAVEN_JAR = '/usr/share/java/maven-artifact-3.x.jar';

/** `ComparableVersion` of Maven: its own program compares each argument with the one before it. */
export const maven: VersionTool = {
  absent: absence('java', MAVEN_JAR),
  compare: (pairs) => {
    const name = 'org.apache.maven.artifact.versioning.ComparableVersion';
    const lines = run('java', ['-XX:TieredStopAtLevel=1', '-cp', MAVEN_JAR, name, ...pairs.flat()], '').filter((line) =>
      line.startsWith('   '),
    );
    // Every second comparison is between two pairs.
    const words: Readonly<Record<string, ToolVerdict>> = { '<': -1, '==': 0, '>': 1 };
    return pairs.map((_, index) => words[lines[index * 2]?.trim().split(' ')[1] ?? ''] ?? 'rejected');
  },
};

function tool(program: string, args: readonly string[], library?: string): VersionTool {
  return {
    absent: absence(program, library),
    compare: (pairs) => run(program, args, pairs.map((pair) => `${pair.join('\t')}\n`).join('')).map(toVerdict),
  };
}

function toVerdict(line: string): ToolVerdict {
  return line === 'rejected' ? 'rejected' : (Math.sign(Number(line)) as ToolVerdict);
}

function run(program: string, args: readonly string[], input: string): readonly string[] {
  const { status, stdout, stderr, error } = spawnSync(program, args, { input, encoding: 'utf8', timeout: 60_000 });
  if (error !== undefined || status !== 0)
    throw new Error(`${program} failed: ${stderr.slice(0, 500)}`, { cause: error });
  return stdout.split('\n').filter((line) => line !== '');
}

function absence(program: string, library?: string): string | false {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  if (!folders.some((folder) => existsSync(join(folder, program)))) return `no ${program}`;
  return library === undefined || existsSync(library) ? false : `no ${library}`;
}
