/** What other languages write, and what CEL has for it. The first that fits where the parser stopped counts. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^=>/, 'a macro takes a name and an expression: `list.filter(x, x > 1)`'],
  [/^=/, 'use `==` to compare'],
  [/^\?/, 'a field that is absent is null; test it with `has(x.field)`'],
  [/^&/, 'use `&&`'],
  [/^\|/, 'use `||`'],
  [/^and\b/i, 'use `&&` for and'],
  [/^or\b/i, 'use `||` for or'],
  [/^(?:not\s+in)\b/i, 'write `!(x in list)`'],
  [/^is\b/i, 'use `==` to compare: `x == null`'],
  [/^(?:like|ilike|contains|matches|startswith)\b/i, 'call it on the text: `name.contains("x")`'],
  [/^(?:where|select|from|order|limit|group)\b/i, 'lists have methods: `list.filter(x, …).map(x, …)`'],
  [/^>/, 'use `!=` to compare'],
];

/** The text before the place where the parser stopped. */
const HINTS_BEFORE: readonly (readonly [RegExp, string])[] = [
  [/\bnot\s+$/i, 'use `!` for not'],
  [/\b(?:select|if|let|return)\s+$/i, 'write the value that you want, without a statement around it'],
  [/[<]$/, 'use `!=` to compare'],
];

/** `: use …` where an expression looks like that of another language, otherwise nothing. */
export function syntaxHint(text: string, stoppedAt: number | undefined): string {
  if (stoppedAt === undefined) return '';
  const rest = text.slice(stoppedAt, stoppedAt + 64);
  const before = text.slice(Math.max(0, stoppedAt - 64), stoppedAt);
  const hint = HINTS_BEFORE.find(([pattern]) => pattern.test(before)) ?? HINTS.find(([pattern]) => pattern.test(rest));
  return hint === undefined ? '' : `: ${hint[1]}`;
}
