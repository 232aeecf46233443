import type { ImageFact } from '../fact/image.ts';
import { shellCommands } from '../redaction/shell-words.ts';
import { fail, notApplicable, pass, unknownBecause } from '../verdict.ts';
import type { Evidence, Judgement } from '../verdict.ts';
import { quote } from './evidence-text.ts';

/** What is wrong with one build step, in a few words; undefined if nothing is. */
type StepJudge = (step: string, before: readonly string[]) => string | undefined;

/** One image may repeat the same fault in hundreds of steps. */
const MAX_EVIDENCE = 8;

/** A rule about build steps: `meaning` of a step that breaks it, the evidence expected, and what is wrong with a step. */
interface StepRule {
  readonly meaning: string;
  readonly expected: string;
  readonly wrong: StepJudge;
}

/** Fails with each step that breaks the rule. Steps are oldest first. */
export function judgeSteps({ history }: ImageFact, { meaning, expected, wrong }: StepRule): Judgement {
  if (history.state !== 'seen') {
    const reason = history.state === 'unreadable' ? history.reason : 'the engine has no history of this image';
    return unknownBecause(`${history.source}: ${reason}`);
  }
  const steps = history.value;
  if (steps.every((step) => step === '')) return notApplicable('the image was imported and has no build steps');
  const evidence: Evidence[] = [];
  for (const [index, step] of steps.entries()) {
    const seen = wrong(step, steps.slice(0, index));
    if (seen === undefined) continue;
    evidence.push({ source: `${history.source} step ${String(index + 1)}`, seen: quote(seen), expected });
    if (evidence.length === MAX_EVIDENCE) break;
  }
  const [first] = evidence;
  if (first !== undefined) return fail(`${meaning}: ${first.seen}`, ...evidence);
  return pass({ source: history.source, seen: `${String(steps.length)} steps without a match`, expected });
}

/** The kind of a step: `RUN`, `ADD`, `COPY` …; empty where it does not say. */
export function instructionOf(step: string): string {
  // The old builder: `/bin/sh -c #(nop) ADD file:… in /` for all but RUN. BuildKit: the instruction, then `# buildkit`.
  const classic = /^\/bin\/sh -c #\(nop\)\s*([A-Z]+)/.exec(step)?.[1];
  if (classic !== undefined) return classic;
  const first = /^([A-Z]+)\s/.exec(step)?.[1];
  if (first !== undefined) return first;
  return step === '' ? '' : 'RUN';
}

/** `step` without what both builders put around it. */
export function plainStep(step: string): string {
  return step
    .replace(/^\/bin\/sh -c #\(nop\)\s*/, '')
    .replace(/# buildkit$/, '')
    .trim();
}

/** The simple commands of a RUN step, each as its words; assignments, keywords and `sudo` before them left out. */
export function commandsOf(step: string): readonly (readonly string[])[] {
  if (instructionOf(step) !== 'RUN') return [];
  const text = plainStep(step);
  const shell = /(?:^|\s)\/(?:usr\/)?bin\/\w{0,4}sh(?:\s+(?:-\w+|pipefail))*?\s+-\w*c\s/.exec(text);
  return commandsIn(shell === null ? text.replace(/^RUN\s/, '') : text.slice(shell.index + shell[0].length), 0);
}

/** A shell in a shell in a shell. */
const MAX_DEPTH = 3;

function commandsIn(script: string, depth: number): readonly (readonly string[])[] {
  const commands: (readonly string[])[] = [];
  for (const { words } of shellCommands(script)) {
    const texts = words.map(({ text }) => text);
    const start = texts.findIndex((word) => !PREFIX.test(word));
    if (start < 0) continue;
    const command = texts.slice(start);
    commands.push(command);
    // `sh -c '…'`: what is in the quotes is a script too.
    const option = command.findIndex((word) => /^-\w*c$/.test(word));
    const nested = /(?:^|\/)\w{0,4}sh$/.test(command[0] ?? '') && option > 0 ? command[option + 1] : undefined;
    if (nested !== undefined && depth < MAX_DEPTH) commands.push(...commandsIn(nested, depth + 1));
  }
  return commands;
}

const PREFIX = /^(?:[A-Za-z_]\w*=.*|sudo|env|exec|time|if|then|else|elif|while|until|do|!|\{)$/s;

/** A command as one line of evidence. */
export function wordsOf(command: readonly string[]): string {
  return quote(command.join(' '));
}
