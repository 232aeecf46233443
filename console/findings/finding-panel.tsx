import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { findingPage, historyPage } from '../../api/finding.ts';
import type { FleetFinding } from '../../api/finding.ts';
import type { ApiClient, RequestFailure, Result } from '../api/client.ts';
import { useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import type { FindingIdentity, FindingPlace } from '../route.ts';
import { useServices } from '../services.ts';
import { FindingDetail } from './finding-detail.tsx';

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
  const loaded = useLoad(`finding ${place.uid}`, async (signal): Promise<Result<FleetFinding | undefined>> => {
    if (known !== undefined) return { ok: true, value: known };
    return findFinding(api, place, signal);
  });
  useReloadOn((item) => item.type === 'finding' && item.event.finding.uid === place.uid, loaded.reload, 500);
  const finding = known ?? loaded.value;
  const isThere = finding !== undefined;
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
      {finding === undefined ? (
        <Missing problem={loaded.problem} isLoading={loaded.isLoading} onRetry={loaded.reload} />
      ) : (
        <FindingDetail finding={finding} />
      )}
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
      <h2 tabIndex={-1}>This finding is not there</h2>
      It is gone with its subject, or the link is wrong.
    </EmptyNote>
  );
}

/** Finds one by its identity; without it, the history may still know the uid. */
async function findFinding(
  api: ApiClient,
  { uid, identity }: FindingPlace,
  signal: AbortSignal,
): Promise<Result<FleetFinding | undefined>> {
  if (identity !== undefined) return readFinding(api, uid, identity, signal);
  const past = await api.get(`/v1/history?limit=1&finding=${encodeURIComponent(uid)}`, historyPage, signal);
  if (!past.ok) return past;
  const [entry] = past.value.entries;
  if (entry === undefined) return { ok: true, value: undefined };
  const { nodeId, check, subjectKind, subjectName } = entry;
  return readFinding(api, uid, { nodeId, check, subjectKind, subjectId: subjectName }, signal);
}

async function readFinding(
  api: ApiClient,
  uid: string,
  { nodeId, check, subjectKind, subjectId }: FindingIdentity,
  signal: AbortSignal,
): Promise<Result<FleetFinding | undefined>> {
  const query = new URLSearchParams({ node: nodeId, check, kind: subjectKind, subject: subjectId, limit: '100' });
  const page = await api.get(`/v1/findings?${query.toString()}`, findingPage, signal);
  if (page.ok) return { ok: true, value: page.value.findings.find((finding) => finding.uid === uid) };
  return page.problem.kind === 'notFound' || page.problem.kind === 'refused' ? { ok: true, value: undefined } : page;
}
