import type { JSX } from 'preact';
import { findingPage } from '../api/shape.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { Outside } from '../part/outside.tsx';
import { Ago } from '../part/time-text.tsx';
import { FindingTag } from '../part/verdict-tag.tsx';
import { findingHash, findingsHash } from '../route.ts';
import { useServices } from '../services.ts';
import { SUBJECT_WORDS } from '../words.ts';

const SHOWN = 8;
const RELOAD_EVERY_MS = 2000;

/** The worst failures of the fleet. */
export function WorstCard(): JSX.Element {
  const { api } = useServices();
  const loaded = useLoad('worst', (signal) =>
    api.get(`/v1/findings?verdict=fail&limit=${String(SHOWN)}`, findingPage, signal),
  );
  useReloadOn(({ type }) => type === 'finding', loaded.reload, RELOAD_EVERY_MS);
  const { value, problem } = loaded;
  return (
    <Card
      className="card-worst"
      title="Worst findings"
      aside={<a href={findingsHash({ verdicts: ['fail'] })}>All failures</a>}
    >
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={loaded.reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="findings" /> : null}
      {value?.findings.length === 0 ? <EmptyNote>Nothing fails.</EmptyNote> : null}
      <ol class="worst">
        {(value?.findings ?? []).map((finding) => (
          <li key={finding.uid}>
            <a href={findingHash(finding, { verdicts: ['fail'] })}>
              <FindingTag verdict={finding.verdict} severity={finding.severity} />
              <span class="worst-title">{finding.title}</span>
              <span class="worst-where">
                {SUBJECT_WORDS[finding.subject.kind]} <Outside text={finding.subject.name} /> on{' '}
                <Outside text={finding.nodeName} /> · <Ago atMs={finding.changedMs} />
              </span>
            </a>
          </li>
        ))}
      </ol>
    </Card>
  );
}
