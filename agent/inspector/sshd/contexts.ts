import { JUDGED_KEYWORDS } from '../../../posture/fact/sshd.ts';
import type { SshContext } from '../../../posture/fact/sshd.ts';
import { clip } from '../clip.ts';
import { combinationsOf } from './connections.ts';
import { evaluateMatch } from './evaluate.ts';
import type { Surroundings } from './evaluate.ts';
import type { ExpandedConfig } from './expand-config.ts';
import { isSetByMatch, keywordOf } from './keywords.ts';
import { isAlways } from './match-condition.ts';
import type { Condition } from './match-condition.ts';
import { settingsOf } from './settings.ts';
import { decodeBytes } from './sshd-config.ts';
import type { Options } from './values.ts';

/** More different outcomes are not judged. */
const MAX_CONTEXTS = 256;

/**
 * The settings outside of any Match, then those under each combination of Match blocks that can hold together and leads
 * to other values of what checks judge; the ones of few blocks first. undefined: there are too many combinations.
 */
export function contextsOf(
  { directives, blocks }: ExpandedConfig,
  start: Options,
  surroundings: Surroundings,
): readonly SshContext[] | undefined {
  const relevant = relevantBlocks(directives, blocks, surroundings);
  const combinations = combinationsOf(relevant.map((index) => blocks[index]).filter((block) => block !== undefined));
  if (combinations === undefined) return undefined;
  const isGlobal = (block: number): boolean => blocks[block] !== undefined && isAlways(blocks[block]);
  const global = evaluateMatch(directives, isGlobal, start, surroundings) ?? start;
  const contexts = new Map([
    [judgedText(global), { condition: '', settings: settingsOf(global, surroundings.program) }],
  ]);
  const ordered = combinations.map((bits) =>
    relevant.filter((_, position) => ((bits >> BigInt(position)) & 1n) === 1n),
  );
  for (const held of ordered.sort((a, b) => a.length - b.length || (a[0] ?? 0) - (b[0] ?? 0))) {
    const holding = new Set(held);
    const options = evaluateMatch(directives, (block) => holding.has(block) || isGlobal(block), start, surroundings);
    if (options === undefined) continue;
    const text = judgedText(options);
    if (contexts.has(text)) continue;
    if (contexts.size >= MAX_CONTEXTS) return undefined;
    const texts = held
      .map((index) => blocks[index])
      .flatMap((block) => (block === undefined || isAlways(block) ? [] : [block.text]));
    contexts.set(text, {
      condition: clip(decodeBytes([...new Set(texts)].join(' and Match ')), 4096),
      settings: settingsOf(options, surroundings.program),
    });
  }
  return [...contexts.values()];
}

/** Blocks that hold for some connections and set something that a check judges. */
function relevantBlocks(
  directives: ExpandedConfig['directives'],
  blocks: readonly Condition[],
  { program }: Surroundings,
): readonly number[] {
  const setting = new Set<number>();
  for (const { keyword: written, block } of directives) {
    const keyword = keywordOf(written, program);
    if (keyword === undefined || keyword === 'unknown' || block === -1) continue;
    if (JUDGED.has(keyword.name) && isSetByMatch(keyword.name)) setting.add(block);
  }
  return [...setting].filter((index) => blocks[index] !== undefined && !isAlways(blocks[index])).sort((a, b) => a - b);
}

const JUDGED: ReadonlySet<string> = new Set(JUDGED_KEYWORDS.map((keyword) => keyword.toLowerCase()));

function judgedText(options: Options): string {
  return JSON.stringify([...JUDGED].map((name) => options.get(name)?.values));
}
