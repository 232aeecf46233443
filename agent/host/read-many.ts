import type { Host, ReadResult, ReadRequest } from './host.ts';

/** `readMany` for a host whose answers come one by one. */
export async function readEach(
  host: Pick<Host, 'readFile' | 'readLink' | 'list'>,
  questions: readonly ReadRequest[],
  before: readonly (ReadResult | undefined)[] = [],
): Promise<readonly ReadResult[]> {
  const answers: ReadResult[] = [];
  for (const [index, question] of questions.entries())
    answers.push(unlessSame(await readOne(host, question), before[index]));
  const areSame = before.length === answers.length && answers.every((answer, index) => answer === before[index]);
  return areSame ? (before as readonly ReadResult[]) : answers;
}

/** One question of `readMany`. */
export function readOne(
  host: Pick<Host, 'readFile' | 'readLink' | 'list'>,
  question: ReadRequest,
): Promise<ReadResult> {
  switch (question.op) {
    case 'readFile':
      return host.readFile(question.path, question.maxBytes === undefined ? {} : { maxBytes: question.maxBytes });
    case 'list':
      return host.list(question.path, question.maxEntries === undefined ? {} : { maxEntries: question.maxEntries });
    case 'readLink':
      return host.readLink(question.path);
  }
}

/** `before` where it says the same as `answer`. */
export function unlessSame(answer: ReadResult, before: ReadResult | undefined): ReadResult {
  return before !== undefined && isSame(answer, before) ? before : answer;
}

function isSame(one: ReadResult, other: ReadResult): boolean {
  if (!one.ok || !other.ok) return !one.ok && !other.ok && one.code === other.code && one.reason === other.reason;
  if (typeof one.value === 'string' || typeof other.value === 'string') return one.value === other.value;
  if (one.value === other.value) return true;
  if (Buffer.isBuffer(one.value)) return Buffer.isBuffer(other.value) && one.value.equals(other.value);
  const names = other.value;
  if (Buffer.isBuffer(names) || names.length !== one.value.length) return false;
  return one.value.every((name, index) => name === names[index]);
}
