import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { COMMAND_NAMES, loadCommand } from '../../cli/command/registry.ts';
import { renderCommandHelp, renderHelp } from '../../cli/help.ts';
import { displayWidth } from '../../cli/render/width.ts';
import { environmentOf, plimsoll, PROGRAM } from './process.ts';

void t.test('the registry has every command, by its name', async (t) => {
  const directory = fileURLToPath(new URL('../../cli/command/', import.meta.url));
  const files = readdirSync(directory).map((file) => file.replace(/\.ts$/, ''));
  t.strictSame(files.filter((file) => file !== 'registry').sort(), COMMAND_NAMES);
  for (const name of COMMAND_NAMES) t.equal((await loadCommand(name))?.name, name);
  t.equal(await loadCommand('toString'), undefined);
});

void t.test('every page is complete and fits 80 columns', async (t) => {
  for (const name of COMMAND_NAMES) {
    const command = await loadCommand(name);
    if (command === undefined) throw new Error(name);
    const page = await renderCommandHelp(command);
    for (const part of ['USAGE', 'DESCRIPTION', 'OPTIONS', 'EXIT STATUS', 'EXAMPLES'])
      t.match(page, `\n${part}\n`, name);
    for (const line of page.split('\n')) t.ok(displayWidth(line) <= 80, `${name}: ${line}`);
    for (const option of command.options) t.match(page, `--${option.name}`);
    t.match(page, command.settings.length > 0 ? '--config FILE' : '--help');
    for (const { line } of command.examples) t.match(line, /plimsoll/);
  }
  const page = await renderHelp();
  for (const line of page.split('\n')) t.ok(line.length <= 80, line);
  for (const name of COMMAND_NAMES) t.match(page, new RegExp(`^  ${name} `, 'm'));
});

void t.test('asked for in every way', async (t) => {
  const [bare, flag, word, short, byHelp, byFlag] = await Promise.all([
    plimsoll([]),
    plimsoll(['--help']),
    plimsoll(['help']),
    plimsoll(['-h']),
    plimsoll(['help', 'scan']),
    plimsoll(['scan', '--help']),
  ]);
  for (const run of [flag, word, short]) t.strictSame(run, bare);
  t.equal(bare.code, 0);
  t.equal(bare.stderr, '');
  t.strictSame(byHelp, byFlag);
  t.match(byFlag.stdout, /^plimsoll scan - judge this machine once/);
});

void t.test('what is not there is answered with what was probably meant, and exit status 2', async (t) => {
  const cases: readonly (readonly [args: readonly string[], problem: RegExp])[] = [
    [['scna'], /unknown command "scna"; did you mean scan\?/],
    [['help', 'nods'], /did you mean nodes\?/],
    [['scan', '--severty', 'high'], /scan has no option "--severty"; did you mean --severity\?/],
    [
      ['scan', '--check', 'container.privilegd'],
      /unknown check "container\.privilegd"; did you mean container\.privileged\?/,
    ],
    [
      ['scan', '--benchmark', 'cis-docker-18.0'],
      /unknown benchmark "cis-docker-18\.0"; did you mean cis-docker-1\.8\.0\?/,
    ],
    [['explain', 'ssh'], /ssh is an area, not a check/],
    [['completion', 'tcsh'], /give one of: bash, zsh, fish/],
    [['query'], /query needs an argument/],
    [['query', '1', '--deadline', 'soon'], /--deadline: expected a duration/],
    [['findings', '--limit', '0'], /--limit: expected a number from 1/],
    [['nodes', '--api', 'nowhere'], /--api: expected host:port/],
    [['evil\u001b[2Jcommand'], /unknown command "evil\\u001b\[2Jcommand"/],
  ];
  for (const [args, problem] of cases) {
    const run = await plimsoll(args);
    t.equal(run.code, 2, args.join(' '));
    t.match(run.stderr, problem);
    t.match(run.stderr, /^plimsoll: /);
    t.equal(run.stdout, '');
  }
});

// A machine with an older Node gets the one that came with the packages. Where no older one is, there is nothing to see.
const older = (process.env['PATH'] ?? '')
  .split(':')
  .map((directory) => `${directory}/node`)
  .find((path) => /^v2[0-3]\./.test(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout ?? ''));
if (older !== undefined)
  void t.test('an older Node hands over, and the exit status comes back', (t) => {
    const run = (...args: readonly string[]) =>
      spawnSync(older, [PROGRAM, ...args], { encoding: 'utf8', env: environmentOf() });
    t.match(run('version').stdout, /^plimsoll \d\S* \(node v24\./);
    t.equal(run('nonsense').status, 2);
    t.end();
  });

void t.test('help works whatever the configuration contains, and loads none of the heavy parts', async (t) => {
  const broken = { PLIMSOLL_CONFIG: '/nonexistent/plimsoll.yaml', PLIMSOLL_LISTEN: 'nonsense' };
  t.equal((await plimsoll(['help'], broken)).code, 0);
  t.equal((await plimsoll(['version'], broken)).code, 0);
  const refused = await plimsoll(['checks'], broken);
  t.equal(refused.code, 2);
  t.match(refused.stderr, /\/nonexistent\/plimsoll\.yaml: there is no such file/);
  const tracer = `import { registerHooks } from 'node:module';
    registerHooks({ load: (url, context, next) => (process.stderr.write(url + '\\n'), next(url, context)) });`;
  const traced = await plimsoll(['scan', '--help'], {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tracer)}`,
  });
  t.match(traced.stderr, /cli\/command\/scan\.ts/, 'what is loaded is seen');
  t.notMatch(traced.stderr, /fastify|grpc-js|dockerode|node_modules\/pino|cel-js|re2js/);
});
