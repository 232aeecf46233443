import { join } from 'node:path';
import { safe } from '../../api/safe.ts';
import * as s from '../../posture/schema.ts';
import type { Context } from '../context.ts';
import { createPaint } from '../render/paint.ts';
import { clockTime } from '../../api/format.ts';
import { openLogFile } from './log-file.ts';

/** What `up` says on standard error, and where the lines of its children go. */
export interface Reporter {
  /** One step of the start or of the end. */
  readonly progress: (text: string) => void;
  /** Something that happened to a child. */
  readonly event: (text: string) => void;
  /** A line of a child: into its log; a warning or an error is also shown. */
  readonly childLine: (name: ChildName, line: string) => void;
  readonly logOf: (name: ChildName) => string;
  readonly close: () => Promise<void>;
}

/** The children of `up`. */
export type ChildName = 'collector' | 'agent';

const logLine = s.object({ level: s.string('', 16), message: s.string('', 4096) });

/** Reports on standard error; logs into `<data-dir>/log`. */
export function createReporter({ settings, stderr, clock, environment }: Context): Reporter {
  const paint = createPaint({ color: settings.color, isTerminal: stderr.isTerminal, terminal: environment['TERM'] });
  const logs = {
    collector: openLogFile(join(settings.dataDir, 'log', 'collector.log')),
    agent: openLogFile(join(settings.dataDir, 'log', 'agent.log')),
  };
  const say = (text: string): void => void stderr.write(`${text}\n`);
  return {
    progress: (text) => say(paint.dim(safe(`… ${text}`))),
    event: (text) => say(`${paint.dim(clockTime(clock.now()))}  ${paint.bad(safe(text))}`),
    childLine: (name, line) => {
      logs[name].write(line);
      const entry = readLine(line);
      if (entry === undefined) return;
      const text = safe(`${name}: ${entry.message}${entry.fields}`);
      say(`${paint.dim(clockTime(clock.now()))}  ${paint.bad(entry.level)}  ${text}`);
    },
    logOf: (name) => logs[name].path,
    close: async () => {
      await logs.collector.close();
      await logs.agent.close();
    },
  };
}

/** A warning or an error among the lines of a child; undefined for anything else. */
function readLine(line: string): { level: string; message: string; fields: string } | undefined {
  if (!line.startsWith('{"level":"warn"') && !line.startsWith('{"level":"error"')) return undefined;
  try {
    const value = JSON.parse(line) as Record<string, unknown>;
    const parsed = logLine.parse(value);
    if (!parsed.ok) return undefined;
    const fields = Object.entries(value).filter(([name]) => !['level', 'time', 'message'].includes(name));
    const pairs = fields.map(([name, field]) => ` ${name}=${JSON.stringify(field)}`);
    return { ...parsed.value, fields: pairs.join('').slice(0, 400) };
  } catch {
    return undefined;
  }
}
