import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import t from 'tap';
import { openSpool } from '../../../agent/transport/spool.ts';
import type { Spool } from '../../../agent/transport/spool.ts';
import type { Logger } from '../../../service/log.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
/** A quarter of it is the size of a segment: some deltas fill one. */
const MAX_BYTES = 64 * 1024;

interface Kept {
  readonly sequence: number;
  readonly mark: string;
}

function open(directory: string): Spool {
  return openSpool({ directory, maxBytes: MAX_BYTES, clock: createFakeClock(), log: SILENT });
}

function withDirectory<T>(use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'plimsoll-spool-'));
  try {
    return use(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function waiting(spool: Spool): readonly Kept[] {
  const found: Kept[] = [];
  for (let next = spool.after(spool.status().acked); next !== undefined; next = spool.after(next.sequence ?? 0))
    found.push({ sequence: next.sequence ?? 0, mark: next.gone?.[0] ?? '' });
  return found;
}

function heal(spool: Spool): void {
  spool.ack(spool.beginSnapshot());
}

function same(one: readonly Kept[], other: readonly Kept[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

const anyStep = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      size: fc.nat(6000),
      mark: fc.string({ unit: 'binary', maxLength: 20 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('ack' as const), ahead: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
);

void t.test('what is read back is what was written and not acked, whenever it is opened again', (t) => {
  const model = fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) =>
    withDirectory((directory) => {
      let spool = open(directory);
      heal(spool);
      let kept: Kept[] = [];
      for (const step of steps) {
        if (step.kind === 'append') {
          const mark = step.mark.toWellFormed() + 'x'.repeat(step.size);
          const { dropped } = spool.status();
          const sequence = spool.append({ gone: [mark], last: true });
          // A full spool empties itself and says so.
          if (spool.status().dropped === dropped) kept.push({ sequence, mark });
          else {
            if (spool.status().resync === undefined) return false;
            kept = [];
          }
        } else if (step.kind === 'ack') {
          const upTo = spool.status().acked + step.ahead;
          spool.ack(upTo);
          if (upTo <= spool.status().last) kept = kept.filter(({ sequence }) => sequence > upTo);
        } else {
          spool.close();
          spool = open(directory);
        }
        if (!same(waiting(spool), kept)) return false;
      }
      spool.close();
      const again = open(directory);
      const found = waiting(again);
      again.close();
      return same(found, kept);
    }),
  );
  fc.assert(model, { numRuns: 60 });
  t.end();
});

/** Copies a closed spool, lets `damage` change the copy, and opens that. */
function afterDamage<T>(original: string, damage: (directory: string) => void, use: (spool: Spool) => T): T {
  return withDirectory((place) => {
    const directory = join(place, 'spool');
    mkdirSync(directory);
    for (const name of readdirSync(original)) copyFileSync(join(original, name), join(directory, name));
    damage(directory);
    const spool = open(directory);
    try {
      return use(spool);
    } finally {
      spool.close();
    }
  });
}

void t.test('a segment cut at every byte there is', (t) => {
  withDirectory((original) => {
    const spool = open(original);
    heal(spool);
    const kept = ['one', '', 'three ✓'].map((mark) => ({ sequence: spool.append({ gone: [mark] }), mark }));
    spool.close();
    const segment = readdirSync(original).find((name) => name.startsWith('segment-')) ?? '';
    const { size } = statSync(join(original, segment));
    for (let cut = 0; cut <= size; cut += 1) {
      const cutOff = (directory: string): void => truncateSync(join(directory, segment), cut);
      const { found, lost } = afterDamage(original, cutOff, (cutSpool) => ({
        found: waiting(cutSpool),
        lost: cutSpool.status().resync !== undefined,
      }));
      if (!same(found, kept.slice(0, found.length)) || lost !== found.length < kept.length)
        t.fail(`cut at ${String(cut)} of ${String(size)}: ${JSON.stringify(found)}`);
    }
    t.pass(`${String(size + 1)} cuts`);
  });
  t.end();
});

void t.test(
  'one of many segments cut anywhere, or gone: nothing comes back that was not written, and the loss is known',
  (t) => {
    withDirectory((original) => {
      const spool = open(original);
      heal(spool);
      const kept = Array.from({ length: 12 }, (_, index) => {
        const mark = String(index) + 'x'.repeat(4000);
        return { sequence: spool.append({ gone: [mark] }), mark };
      });
      spool.close();
      const segments = readdirSync(original).filter((name) => name.startsWith('segment-'));
      t.ok(segments.length >= 3, `${String(segments.length)} segments`);
      fc.assert(
        fc.property(fc.constantFrom(...segments), fc.option(fc.nat()), (segment, at) => {
          const damage = (directory: string): void => {
            const path = join(directory, segment);
            if (at === null) rmSync(path);
            else truncateSync(path, at % statSync(path).size);
          };
          return afterDamage(original, damage, (damaged) => {
            const found = waiting(damaged);
            const written = found.every(({ sequence, mark }) =>
              kept.some((one) => one.sequence === sequence && one.mark === mark),
            );
            const inOrder = found.every(({ sequence }, index) => sequence > (found[index - 1]?.sequence ?? 0));
            // Where a whole file is missing the numbers tell: a sender that finds a gap sends everything.
            const gap = found.some(({ sequence }, index) => sequence !== (kept[index]?.sequence ?? 0));
            return written && inOrder && (damaged.status().resync !== undefined || gap);
          });
        }),
        { numRuns: 80 },
      );
    });
    t.end();
  },
);

void t.test(
  'a state that is cut anywhere: the same spool, or a new one; never the old name with other numbers',
  (t) => {
    withDirectory((original) => {
      const spool = open(original);
      heal(spool);
      for (const mark of ['one', 'two', 'three']) spool.append({ gone: [mark] });
      spool.ack(3);
      const before = spool.status();
      spool.close();
      for (let cut = 0; cut <= 1024; cut += 16) {
        const cutOff = (directory: string): void => truncateSync(join(directory, 'state'), cut);
        const after = afterDamage(original, cutOff, (damaged) => damaged.status());
        const isNew = after.epoch !== before.epoch && after.last === 0 && after.resync === 'a new spool';
        const isSame = after.epoch === before.epoch && after.last >= before.last && after.acked <= before.acked;
        if (!isNew && !isSame) t.fail(`cut at ${String(cut)}: ${JSON.stringify(after)}`);
      }
      t.pass('all cuts');
    });
    t.end();
  },
);
