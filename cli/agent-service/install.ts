import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { formatAddress } from '../../service/config/kind.ts';
import { environmentName } from '../../service/config/setting.ts';
import type { SettingName } from '../../service/config/settings.ts';
import { writeFileAtomic } from '../../service/files.ts';
import { EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { printError } from '../print-error.ts';
import { installSteps, uninstallSteps } from './plan.ts';
import type { Step } from './plan.ts';
import { SERVICE_PATHS } from './unit-files.ts';

/** Settings that the units set themselves, or that are used once. */
const NOT_KEPT: ReadonlySet<SettingName> = new Set(['join-token', 'join-token-file', 'data-dir', 'broker']);
/** Bits of st_mode, inode(7). */
const GROUP_OR_OTHERS_WRITE = 0o022;

/** `plimsoll agent install`: writes the services, joins the fleet and starts them. Returns the exit code. */
export async function installAgent(context: Context): Promise<number> {
  const { args, settings, installation } = context;
  const root = args.value('root');
  const problem = root === undefined ? await describeObstacle(context) : undefined;
  if (problem !== undefined) return printError(context, problem.message, problem.hint);
  const isEnrolled = existsSync(settings.tlsCert);
  if (root === undefined && settings.join === 'off' && !isEnrolled)
    return printError(
      context,
      'this node has no certificate, and no --join address to get one',
      'run the line that plimsoll join-token create prints, with agent install in place of agent',
    );
  const steps = installSteps({
    program: { command: [process.execPath, join(installation.directory, 'bin', 'plimsoll.js')] },
    variables: variablesOf(context),
    join: settings.join === 'off' ? undefined : formatAddress(settings.join),
    filesOnly: root !== undefined,
  });
  const done = 'The agent runs. See: systemctl status plimsoll-agent plimsoll-broker';
  return perform(context, steps, root === undefined ? done : `The services are installed below ${root}.`);
}

/** `plimsoll agent uninstall`: stops the services and removes them. Returns the exit code. */
export async function uninstallAgent(context: Context): Promise<number> {
  const { args, uid } = context;
  const root = args.value('root');
  if (root === undefined && uid !== 0 && !args.has('dry-run'))
    return printError(context, 'only root can remove services', 'run it as root, or with --dry-run');
  const steps = uninstallSteps({ purge: args.has('purge'), filesOnly: root !== undefined });
  const kept = `Certificate and settings are kept (${SERVICE_PATHS.dataDir}, ${SERVICE_PATHS.settings}); --purge removes them.`;
  return perform(context, steps, args.has('purge') ? 'The services are removed.' : `The services are removed. ${kept}`);
}

interface Obstacle {
  readonly message: string;
  readonly hint: string;
}

/** Why the services cannot be installed on this machine; undefined if they can. */
async function describeObstacle({ args, settings, uid, installation }: Context): Promise<Obstacle | undefined> {
  if (settings.dataDir !== SERVICE_PATHS.dataDir)
    return { message: `the services keep their data in ${SERVICE_PATHS.dataDir}`, hint: 'leave out --data-dir' };
  for (const path of [process.execPath, installation.directory]) {
    const writable = await findWritable(path);
    if (writable !== undefined)
      return {
        message: `others than root can write to ${writable}: a service that runs as root must not be started from there`,
        hint: 'install plimsoll and Node.js below a directory of root, such as /opt/plimsoll',
      };
  }
  if (args.has('dry-run')) return undefined;
  if (uid !== 0) return { message: 'only root can install services', hint: 'run it as root, or with --dry-run' };
  return existsSync('/run/systemd/system')
    ? undefined
    : {
        message: 'this machine was not started with systemd',
        hint: 'run plimsoll agent with the service manager of this machine, or write files only: --root DIR',
      };
}

/** The first of the directories that lead to `path`, or the path itself, that others than root can change. */
async function findWritable(path: string): Promise<string | undefined> {
  const places = [path];
  while (places[0] !== '/') places.unshift(dirname(places[0] ?? '/'));
  for (const place of places) {
    const { uid, mode } = await stat(place);
    if (uid !== 0 || (mode & GROUP_OR_OTHERS_WRITE) !== 0) return place;
  }
  return undefined;
}

/** The settings that were given, as the services get them. */
function variablesOf({ origins, settings }: Context): Readonly<Record<string, string>> {
  const given = [...origins].filter(
    ([name, { origin }]) => (origin === 'flag' || origin === 'environment') && !NOT_KEPT.has(name),
  );
  // Relative paths are resolved here: the services start elsewhere.
  const values: Readonly<Record<string, unknown>> = settings;
  return Object.fromEntries(
    given.map(([name, { text }]) => {
      const value = values[name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
      return [environmentName(name), typeof value === 'string' ? value : text];
    }),
  );
}

/** Performs the steps in order, or prints them (`--dry-run`). Stops at the first that fails. */
async function perform(context: Context, steps: readonly Step[], done: string): Promise<number> {
  const { args, stdout } = context;
  const root = args.value('root') ?? '/';
  for (const step of steps) {
    if (args.has('dry-run')) {
      await stdout.write(describeStep(step, root));
      continue;
    }
    try {
      await performStep(context, step, root);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return printError(context, `${headline(step, root)}: ${reason}`, 'correct that and run the command again');
    }
  }
  if (!args.has('dry-run')) await stdout.write(`${done}\n`);
  return EXIT_OK;
}

async function performStep(
  { programs, settings, listenForShutdown }: Context,
  step: Step,
  root: string,
): Promise<void> {
  switch (step.kind) {
    case 'write': {
      const path = join(root, step.path);
      await mkdir(dirname(path), { recursive: true });
      const before = await readFile(path, 'utf8').catch(() => undefined);
      if (before !== step.content) await writeFileAtomic(path, step.content, step.mode);
      return;
    }
    case 'remove':
      return rm(join(root, step.path), { recursive: true, force: true });
    case 'run':
      return programs.execute(step.command, step.args);
    case 'join':
      return programs.join({ settings, signal: listenForShutdown() });
  }
}

function headline(step: Step, root: string): string {
  switch (step.kind) {
    case 'write':
      return `write ${join(root, step.path)}`;
    case 'remove':
      return `remove ${join(root, step.path)}`;
    case 'run':
      return `run ${[step.command, ...step.args].join(' ')}`;
    case 'join':
      return `join the fleet at ${step.address}`;
  }
}

function describeStep(step: Step, root: string): string {
  const text = step.kind === 'write' ? step.content.trimEnd().replaceAll(/^/gm, '    ') : '';
  return `${headline(step, root)}\n${text === '' ? '' : `${text}\n`}`;
}
