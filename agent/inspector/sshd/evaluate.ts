import type { SshContext, SshSetting } from '../../../posture/fact/sshd.ts';
import { clip } from '../clip.ts';
import type { PlacedDirective } from './expand-config.ts';
import { KEYWORDS, keywordOf } from './keywords.ts';
import { implies } from './match-condition.ts';
import type { Condition } from './match-condition.ts';

/** The contexts; or the line that sshd would refuse, so that this is not what runs. */
export type Evaluation =
  | { readonly ok: true; readonly contexts: readonly SshContext[] }
  | { readonly ok: false; readonly place: string; readonly reason: string };

/** More is not cut: a check would judge a part as if it were the whole. */
const MAX_VALUES = 256;
const MAX_VALUE_LENGTH = 4096;

type Values = Map<string, SshSetting>;

/** A line after its arguments were read. */
interface ReadLine {
  readonly keyword: string;
  readonly values: readonly string[];
  readonly place: string;
  readonly block: number;
}

/**
 * Effective settings: of the lines outside of any Match the first of a keyword counts; in a Match block, over these,
 * the first among all blocks that hold. First comes the context outside, then one for each condition.
 */
export function evaluate(directives: readonly PlacedDirective[], blocks: readonly Condition[]): Evaluation {
  const lines: ReadLine[] = [];
  for (const { keyword: name, args, place, block } of directives) {
    // What is not judged is not kept: a file that is none of sshd's may hold anything.
    if (!Object.hasOwn(KEYWORDS, name)) continue;
    const keyword = keywordOf(name);
    const condition = blocks[block];
    // `Match all` always holds: sshd lets everything stand there.
    if (!keyword.inMatch && condition !== undefined && condition.criteria.size > 0)
      return { ok: false, place, reason: `${name} may not stand in a Match block` };
    const value = keyword.read(args);
    if ('problem' in value) return { ok: false, place, reason: `${name} ${value.problem}` };
    lines.push({ keyword: name, values: value.values, place, block });
  }
  const excess = excessOf(lines);
  if (excess !== undefined) return { ok: false, ...excess };
  const outside = collect(lines.filter(({ block }) => block === -1));
  const contexts = new Map<string, SshContext>();
  contexts.set('', contextOf('', outside, overriding(lines, blocks, { text: '', criteria: new Map() })));
  for (const condition of blocks) {
    if (condition.criteria.size === 0 || contexts.has(condition.text)) continue;
    contexts.set(condition.text, contextOf(condition.text, outside, overriding(lines, blocks, condition)));
  }
  return { ok: true, contexts: [...contexts.values()] };
}

/** What the blocks that hold under `condition` set. */
function overriding(lines: readonly ReadLine[], blocks: readonly Condition[], condition: Condition): Values {
  const holds = blocks.map((block) => implies(condition, block));
  return collect(lines.filter(({ block }) => holds[block] === true));
}

function collect(lines: readonly ReadLine[]): Values {
  const settings: Values = new Map();
  for (const { keyword, values, place } of lines) {
    const before = settings.get(keyword);
    if (before === undefined) settings.set(keyword, { values, source: place });
    else if (keywordOf(keyword).accumulates === true)
      settings.set(keyword, { values: [...before.values, ...values], source: before.source });
  }
  return settings;
}

/** The line with which a keyword comes to more than a fact can hold; counted over all blocks, which is never too few. */
function excessOf(lines: readonly ReadLine[]): { readonly place: string; readonly reason: string } | undefined {
  const counts = new Map<string, number>();
  for (const { keyword, values, place } of lines) {
    const count = (keywordOf(keyword).accumulates === true ? (counts.get(keyword) ?? 0) : 0) + values.length;
    counts.set(keyword, count);
    if (count > MAX_VALUES) return { place, reason: `more than ${String(MAX_VALUES)} values of ${keyword}` };
    if (values.some((value) => value.length > MAX_VALUE_LENGTH)) return { place, reason: `${keyword} is too long` };
  }
  return undefined;
}

function contextOf(condition: string, outside: Values, inside: Values): SshContext {
  const settings: Record<string, SshSetting> = {};
  for (const [name, { fallback }] of Object.entries(KEYWORDS))
    settings[name] = bounded(inside.get(name) ?? outside.get(name) ?? { values: fallback, source: 'default' });
  return { condition: clip(condition, 4096), settings };
}

function bounded({ values, source }: SshSetting): SshSetting {
  return { values, source: clip(source, 4096) };
}
