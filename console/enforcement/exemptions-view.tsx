import type { JSX } from 'preact';
import { count, counted } from '../../api/format.ts';
import { exemptionList } from '../../api/policy.ts';
import type { ExemptionList } from '../../api/policy.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { Moment } from '../part/time-text.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { findingsHash, waiversHash } from '../route.ts';
import { useServices } from '../services.ts';
import { POLICY_REFRESH_MS } from './policies-view.tsx';
import { PolicySections } from './section-links.tsx';

/** What is not enforced: waivers with their expiry, exempt namespaces, and what policies leave out. */
export function ExemptionsView(): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad(
    'exemptions',
    (signal) => api.get('/v1/policies/exemptions', exemptionList, signal),
    POLICY_REFRESH_MS,
  );
  return (
    <>
      <h1 tabIndex={-1}>Exemptions</h1>
      <PolicySections current="Exemptions" />
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the exemptions" /> : null}
      {value === undefined ? null : (
        <>
          <WaiverCard exemptions={value} />
          <NamespaceCard exemptions={value} />
          <ExceptionCard exemptions={value} />
        </>
      )}
    </>
  );
}

function WaiverCard({ exemptions }: { readonly exemptions: ExemptionList }): JSX.Element {
  const { waivers, omittedWaivers } = exemptions;
  return (
    <Card title="Waivers of vulnerabilities" aside={counted(waivers.length + omittedWaivers, 'waiver')}>
      {waivers.length === 0 ? (
        <EmptyNote>No vulnerability is waived.</EmptyNote>
      ) : (
        <DataTable
          label="Waivers, the first to expire first"
          columns={['Vulnerabilities', 'Expires', 'Packages', 'Images', 'Reason', 'Owner', 'Policy', 'File']}
          rows={waivers.map((waiver, index) => ({
            key: String(index),
            cells: [
              waiver.ids.join(', '),
              waiver.isExpired ? (
                <span class="weak">
                  expired <Moment atMs={waiver.expiresMs} />
                </span>
              ) : (
                <Moment atMs={waiver.expiresMs} />
              ),
              waiver.packages.length === 0 ? 'any' : waiver.packages.join(', '),
              waiver.images.length === 0 ? 'any' : waiver.images.join(', '),
              waiver.reason,
              waiver.owner,
              waiver.policy === null ? 'all' : waiver.policy,
              waiver.source,
            ],
          }))}
        />
      )}
      {omittedWaivers === 0 ? null : <p class="hint">{count(omittedWaivers)} more are not listed.</p>}
      <p class="hint">
        What has expired waives nothing: the vulnerabilities count again. With those of findings, and what each accepts:{' '}
        <a href={waiversHash()}>waivers</a>
      </p>
    </Card>
  );
}

function NamespaceCard({ exemptions }: { readonly exemptions: ExemptionList }): JSX.Element {
  const { namespaces, namespacesProblem } = exemptions;
  return (
    <Card title="Namespaces that the admission webhook leaves out" aside={counted(namespaces.length, 'namespace')}>
      {namespacesProblem === null ? null : (
        <div class="note note-problem" role="status">
          <p>
            <strong>It is not known which namespaces their labels leave out:</strong>{' '}
            <UntrustedText text={namespacesProblem} />
          </p>
        </div>
      )}
      {namespaces.length === 0 ? (
        <EmptyNote>The collector watches no admission webhook.</EmptyNote>
      ) : (
        <DataTable
          label="Exempt namespaces"
          columns={['Namespace', 'Left out by', 'Expires']}
          rows={namespaces.map(({ name, origin, because }) => ({
            key: `${origin} ${name}`,
            cells: [
              name,
              origin === 'setting' ? (
                'the setting kubernetes-admission-exempt'
              ) : (
                <a href={findingsHash({ checks: ['admission.exempt-namespace'] })}>
                  its labels: <UntrustedText text={because} />
                </a>
              ),
              'never',
            ],
          }))}
        />
      )}
    </Card>
  );
}

function ExceptionCard({ exemptions: { exceptions } }: { readonly exemptions: ExemptionList }): JSX.Element {
  return (
    <Card title="Exceptions of policies" aside={counted(exceptions.length, 'exception')}>
      {exceptions.length === 0 ? (
        <EmptyNote>No policy leaves out a part of its conditions.</EmptyNote>
      ) : (
        <DataTable
          label="Exceptions of policies"
          columns={['Policy', 'Left out', 'Place', 'Expires']}
          rows={exceptions.map(({ kind, policy, place, text }) => ({
            key: `${kind} ${policy} ${place}`,
            cells: [policy, text, place, 'never'],
          }))}
        />
      )}
    </Card>
  );
}
