import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { findingPage, historyPage } from '../../api/finding.ts';
import type { FleetFinding, HistoryEntry } from '../../api/finding.ts';
import type { ApiClient, RequestFailure, Result } from '../../api/client.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import type { FindingIdentity, FindingPlace } from '../route.ts';
import { useServices } from '../services.ts';
import { FindingDetail } from './finding-detail.tsx';
import { PastFinding } from './past-finding.tsx';

/** The details of one finding, beside the list. Escape closes them and goes back to the row. */
export function FindingPanel({
  place,
  known,
  onClose,
}: {
  readonly place: FindingPlace;
  readonly known: FleetFinding | undefined;
  readonly onClose: () => void;
}): JSX.Element {
  const { api } = useServices();
  const panel = useRef<HTMLElement>(null);
  const loaded = useLoad(`finding ${place.uid}`, async (signal): Promise<Result<Found>> => {
    if (known !== undefined) return { ok: true, value: { current: known } };
    return findFinding(api, place, signal);
  });
  useReloadOn((item) => item.type === 'finding' && item.event.finding.uid === place.uid, loaded.reload, 500);
  const finding = known ?? loaded.value?.current;
  const last = loaded.value?.last;
  const isThere = (finding ?? last) !== undefined;
  useEffect(() => {
    if (isThere) panel.current?.querySelector<HTMLElement>('h2')?.focus({ preventScroll: true });
  }, [isThere]);
  useEffect(() => {
    const close = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || event.defaultPrevented) return;
      event.preventDefault();
      onClose();
    };
    addEventListener('keydown', close);
    return () => removeEventListener('keydown', close);
  }, [onClose]);
  return (
    <section ref={panel} class="panel" aria-label="Details of the finding">
      <div class="panel-tools">
        <button type="button" class="button button-quiet" onClick={onClose}>
          <span aria-hidden="true">←</span> Close <kbd>Esc</kbd>
        </button>
      </div>
      {finding === undefined ? null : <FindingDetail finding={finding} />}
      {finding !== undefined || last === undefined ? null : <PastFinding last={last} />}
      {isThere ? null : <Missing problem={loaded.problem} isLoading={loaded.isLoading} onRetry={loaded.reload} />}
    </section>
  );
}

function Missing({
  problem,
  isLoading,
  onRetry,
}: {
  readonly problem: RequestFailure | undefined;
  readonly isLoading: boolean;
  readonly onRetry: () => void;
}): JSX.Element {
  if (problem !== undefined) return <ProblemNote problem={problem} onRetry={onRetry} />;
  if (isLoading) return <LoadingNote what="the finding" />;
  return (
    <EmptyNote>
      <h2 tabIndex={-1}>This finding is not known</h2>
      The link is wrong, or the finding was resolved before the history that the collector keeps.
    </EmptyNote>
  );
}

/** A finding as it is, or the newest entry of its history if it is gone. */
interface Found {
  readonly current?: FleetFinding;
  readonly last?: HistoryEntry;
}

/** Finds one by its identity, or by what the history says of its uid. */
async function findFinding(
  api: ApiClient,
  { uid, identity }: FindingPlace,
  signal: AbortSignal,
): Promise<Result<Found>> {
  const known = identity === undefined ? undefined : await readFinding(api, uid, identity, signal);
  if (known !== undefined && (!known.ok || known.value.current !== undefined)) return known;
  const past = await api.get(`/v1/history?limit=1&finding=${encodeURIComponent(uid)}`, historyPage, signal);
  if (!past.ok) return past;
  const [last] = past.value.entries;
  if (last === undefined) return { ok: true, value: {} };
  // A link that carries no identity: only the history names the subject.
  const { nodeId, check, subjectKind, subjectName } = last;
  const current =
    identity === undefined
      ? await readFinding(api, uid, { nodeId, check, subjectKind, subjectId: subjectName }, signal)
      : undefined;
  if (current !== undefined && (!current.ok || current.value.current !== undefined)) return current;
  return { ok: true, value: { last } };
}

async function readFinding(
  api: ApiClient,
  uid: string,
  { nodeId, check, subjectKind, subjectId }: FindingIdentity,
  signal: AbortSignal,
): Promise<Result<Found>> {
  const query = new URLSearchParams({ node: nodeId, check, kind: subjectKind, subject: subjectId, limit: '100' });
  const page = await api.get(`/v1/findings?${query.toString()}`, findingPage, signal);
  if (!page.ok)
    return page.problem.kind === 'notFound' || page.problem.kind === 'refused' ? { ok: true, value: {} } : page;
  const current = page.value.findings.find((finding) => finding.uid === uid);
  return { ok: true, value: current === undefined ? {} : { current } };
}
