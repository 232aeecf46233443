import { hash } from 'node:crypto';
import type { Reply } from './runtime.ts';

/** The last reply about each container, by what it was parsed from. */
export interface ReplyCache<T> {
  /** `parse()`, or the earlier reply about `id` where that came from the same. */
  readonly get: (id: string, content: Buffer | string, parse: () => Reply<T>) => Reply<T>;
  /** Removes the replies about all other containers. */
  readonly retain: (ids: ReadonlySet<string>) => void;
}

/** For an engine whose list cannot be read, so that nothing says which containers are gone. */
const MAX_REPLIES = 10_000;

/** An empty cache. */
export function createReplyCache<T>(): ReplyCache<T> {
  const replies = new Map<string, { readonly digest: string; readonly reply: Reply<T> }>();
  return {
    get: (id, content, parse) => {
      const digest = hash('sha256', content, 'base64');
      const before = replies.get(id);
      if (before?.digest === digest) return before.reply;
      if (replies.size >= MAX_REPLIES) replies.clear();
      const reply = parse();
      replies.set(id, { digest, reply });
      return reply;
    },
    retain: (ids) => {
      for (const id of replies.keys()) if (!ids.has(id)) replies.delete(id);
    },
  };
}
