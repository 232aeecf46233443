import type { JSX } from 'preact';
import { withQuery } from '../../api/client.ts';
import { denialList, denialObject, PROGRAM_LABELS } from '../../api/denial.ts';
import type { StoredDenialInfo } from '../../api/denial.ts';
import { count, counted, dateTime } from '../../api/format.ts';
import { useLoad } from '../hook/use-load.ts';
import { FactList } from '../node/fact-list.tsx';
import type { FactRow } from '../node/node-facts.ts';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { denialsHash } from '../route.ts';
import { useServices } from '../services.ts';
import { DenialTag } from './denial-tag.tsx';

/** One denial with every reason. Several where reporters have chosen the same id. */
export function DenialView({ denialId }: { readonly denialId: string }): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad(`denial ${denialId}`, (signal) =>
    api.get(withQuery('/v1/denials', { id: [denialId] }), denialList, signal),
  );
  const denials = value?.denials ?? [];
  const [first] = denials;
  return (
    <>
      <p class="crumbs">
        <a href={denialsHash()}>Denials</a> / denial
      </p>
      <div class="title-line">
        <h1 tabIndex={-1}>
          <UntrustedText text={first === undefined ? denialId : denialObject(first)} />
        </h1>
        {first === undefined ? null : <DenialTag outcome={first.outcome} />}
      </div>
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the denial" /> : null}
      {value !== undefined && first === undefined ? (
        <EmptyNote>No denial has this id. It can be older than the retention period.</EmptyNote>
      ) : null}
      {denials.map((denial) => (
        <Denial key={denial.source} denial={denial} />
      ))}
    </>
  );
}

function Denial({ denial }: { readonly denial: StoredDenialInfo }): JSX.Element {
  const { reasons, omitted } = denial;
  return (
    <>
      <Card title="Reasons" aside={counted(reasons.length + omitted, 'reason')}>
        <DataTable
          label="Reasons of this denial"
          columns={['Code', 'Field', 'Reason and what to do']}
          rows={reasons.map(({ code, field, text }, index) => ({
            key: String(index),
            cells: [code, field === '' ? null : field, text],
          }))}
        />
        {omitted === 0 ? null : <p class="hint">{count(omitted)} more, which were not reported.</p>}
      </Card>
      <Card title="Request">
        <FactList rows={requestRows(denial)} />
      </Card>
    </>
  );
}

function requestRows(denial: StoredDenialInfo): readonly FactRow[] {
  const { breakGlass, suppressed, requestUid } = denial;
  const row = (name: string, value: string, weakness = ''): FactRow => ({ name, value, weakness });
  return [
    row('id', denial.id),
    ...(breakGlass === '' ? [] : [row('break-glass', breakGlass, 'it ran in spite of violations')]),
    row('user', denial.user === '' ? 'not known' : denial.user),
    row('operation', denial.operation),
    ...(requestUid === '' ? [] : [row('audit log of the API server', `request ${requestUid}`)]),
    row('policies', denial.policies.length === 0 ? 'none applies' : denial.policies.join(', ')),
    row('decided', dateTime(denial.atMs)),
    row('received', dateTime(denial.receivedMs)),
    row('reported by', `${PROGRAM_LABELS[denial.program]} at ${denial.reporter}, with the token ${denial.source}`),
    ...(suppressed === 0 ? [] : [row('not reported', `${count(suppressed)} requests before it: there were too many`)]),
  ];
}
