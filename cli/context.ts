import type { Clock } from '../service/clock.ts';
import type { Origin } from '../service/config/load.ts';
import type { SettingProblem } from '../service/config/problem.ts';
import type { SettingName, Settings } from '../service/config/settings.ts';
import type { Arguments } from './arguments.ts';
import type { Programs } from './programs.ts';
import type { Template } from './output/jsonpath.ts';
import type { Paint } from './render/paint.ts';

/** A stream for text: standard output or standard error. */
export interface Output {
  /** Writes `text` as it is. Resolves once the stream takes more, so that a slow reader slows the writer. */
  readonly write: (text: string) => Promise<void>;
  readonly isTerminal: boolean;
}

/** Someone at a terminal. */
export interface Prompter {
  /** The line that is answered, without white space around it; empty where they end the input instead. */
  readonly ask: (question: string) => Promise<string>;
}

/** The program that started this one and wants to hear from it: `plimsoll up`. */
export interface Parent {
  readonly send: (message: unknown) => void;
  /** Calls back once the parent is gone, however it ended. */
  readonly onGone: (callback: () => void) => void;
}

/** What the program was started with, and what it may use. `main.ts` makes it. */
export interface CliEnvironment {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Undefined: there is nobody to ask. */
  readonly prompter: Prompter | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingDirectory: string;
  readonly uid: number;
  readonly home: string;
  /** Width of the terminal; undefined if standard output is not a terminal. */
  readonly columns: number | undefined;
  readonly version: string;
  /** `v24.1.0`, `linux`, `x64` */
  readonly platform: { readonly node: string; readonly system: string; readonly architecture: string };
  /** Directory of the program. */
  readonly installation: { readonly directory: string };
  /** The module of the thread that lists the packages of an image. */
  readonly inventoryWorker: URL;
  /** What to type to run the program again: `plimsoll`, `npx plimsoll`, `./bin/plimsoll.js`. */
  readonly invocation: string;
  readonly parent: Parent | undefined;
  readonly clock: Clock;
  readonly programs: Programs;
  /** A signal that aborts at SIGINT or SIGTERM from now on. Commands that need no order in ending do not ask for it. */
  readonly listenForShutdown: () => AbortSignal;
}

/** What a command runs with. */
export interface Context extends CliEnvironment {
  readonly args: Arguments;
  readonly settings: Settings;
  readonly origins: ReadonlyMap<SettingName, Origin>;
  /** What is wrong with the settings; empty but for commands that examine them. */
  readonly settingProblems: readonly SettingProblem[];
  /** Warnings about the settings; already printed, except for commands that examine them. */
  readonly settingWarnings: readonly string[];
  /** The flags of settings as they were given, and `config`: for programs that this one starts. */
  readonly settingFlags: Readonly<Record<string, string>>;
  /** Cells of a line. */
  readonly width: number;
  /** Cells of a line of a table: those of the terminal; unlimited in a file or a pipe. */
  readonly tableWidth: number;
  readonly paint: Paint;
  /** The template of `--output jsonpath=…`. */
  readonly template: Template | undefined;
}
