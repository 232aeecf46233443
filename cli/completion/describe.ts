import { BENCHMARKS } from '../../posture/benchmark/benchmark.ts';
import { CHECKS } from '../../posture/check/registry.ts';
import { settingsOf } from '../../service/config/load.ts';
import { SETTINGS } from '../../service/config/settings.ts';
import { COMMON_OPTIONS, CONFIG_OPTION } from '../arguments.ts';
import type { Command, Operands, Option } from '../command.ts';
import { COMMAND_NAMES, loadCommand } from '../command/registry.ts';

/** The program as a completion script needs it. */
export interface DescribedProgram {
  readonly commands: readonly DescribedCommand[];
}

/** One command with everything that can follow it. */
export interface DescribedCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly DescribedOption[];
  readonly operand: Completion;
}

/** One option. */
export interface DescribedOption {
  readonly name: string;
  readonly summary: string;
  /** Undefined: the option takes no value. */
  readonly value: Completion | undefined;
}

/** A candidate for one position of the command line. */
export type Completion =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** Names that the collector is asked for when they are completed. */
  | { readonly kind: 'names'; readonly of: 'node' | 'container' }
  | { readonly kind: 'directory' | 'file' | 'anything' | 'nothing' };

/** Describes every command, its options and settings. */
export async function describeProgram(): Promise<DescribedProgram> {
  const commands = await Promise.all(COMMAND_NAMES.map(loadCommand));
  return { commands: commands.filter((command) => command !== undefined).map(describeCommand) };
}

function describeCommand(command: Command): DescribedCommand {
  const { name, summary, options, operands, settings } = command;
  const own = [...options, ...COMMON_OPTIONS].map(describeOption);
  const config = { name: CONFIG_OPTION.name, summary: CONFIG_OPTION.summary, value: { kind: 'file' } as const };
  const flags = settingsOf(settings).map(describeSetting);
  return {
    name,
    summary,
    options: settings.length === 0 ? own : [...own, config, ...flags],
    operand: operands.max === 0 ? { kind: 'nothing' } : completionOf(operands.completes),
  };
}

function describeOption({ name, summary, value, choices, completes }: Option): DescribedOption {
  if (value === undefined) return { name, summary, value: undefined };
  return { name, summary, value: choices === undefined ? completionOf(completes) : { kind: 'words', words: choices } };
}

function describeSetting(name: keyof typeof SETTINGS): DescribedOption {
  const { kind, description } = SETTINGS[name];
  const [, words] = /^one of (.*)$/.exec(kind.expects) ?? [];
  const [summary = ''] = description.replaceAll('`', '').split(/(?<=\.) /);
  if (words !== undefined) return { name, summary, value: { kind: 'words', words: words.split(', ') } };
  return { name, summary, value: { kind: kind.name === 'path' ? 'file' : 'anything' } };
}

function completionOf(completes: Operands['completes'] | Option['completes']): Completion {
  switch (completes) {
    case undefined:
      return { kind: 'anything' };
    case 'directory':
      return { kind: 'directory' };
    case 'check':
      return { kind: 'words', words: CHECKS.map(({ id }) => id) };
    case 'benchmarkAction':
      return { kind: 'words', words: ['list', 'show', ...BENCHMARKS.map(({ id }) => id)] };
    case 'benchmark':
      return { kind: 'words', words: BENCHMARKS.map(({ id }) => id) };
    case 'scanBenchmark':
      return { kind: 'words', words: [...BENCHMARKS.map(({ id }) => id), 'cis-kubernetes'] };
    case 'command':
      return { kind: 'words', words: COMMAND_NAMES };
    case 'nodeAction':
      return { kind: 'words', words: ['show', 'remove', 'revoke', 'readmit'] };
    case 'agentAction':
      return { kind: 'words', words: ['install', 'uninstall'] };
    case 'authzAction':
      return { kind: 'words', words: ['check', 'fetch'] };
    case 'vulndbAction':
      return { kind: 'words', words: ['build', 'update', 'status'] };
    case 'joinTokenAction':
      return { kind: 'words', words: ['create', 'list', 'delete'] };
    case 'checksAction':
      return { kind: 'words', words: ['test'] };
    case 'policyAction':
      return { kind: 'words', words: ['check', 'test', 'explain', 'list', 'exemptions', 'simulate', 'export'] };
    case 'rolloutAction':
      return { kind: 'words', words: ['list', 'show', 'budgets', 'approve', 'reject', 'pause', 'resume'] };
    case 'imageAction':
      return { kind: 'words', words: ['scan'] };
    case 'sinkAction':
      return { kind: 'words', words: ['status', 'test'] };
    case 'waiverAction':
      return { kind: 'words', words: ['list', 'report'] };
    case 'deadLetterAction':
      return { kind: 'words', words: ['list', 'show', 'replay', 'purge'] };
    case 'file':
      return { kind: 'file' };
    case 'tokenAction':
      return { kind: 'words', words: ['create', 'list', 'revoke', 'show'] };
    case 'node':
      return { kind: 'names', of: 'node' };
    case 'subject':
      return { kind: 'names', of: 'container' };
    case 'shell':
      return { kind: 'words', words: ['bash', 'zsh', 'fish'] };
  }
}
