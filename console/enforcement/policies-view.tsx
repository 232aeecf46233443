import type { JSX } from 'preact';
import { withQuery } from '../../api/client.ts';
import { count, counted, shortId } from '../../api/format.ts';
import { outcomeLabel, policyList, reasonSummary, simulation } from '../../api/policy.ts';
import type { ListedPolicy, Simulation } from '../../api/policy.ts';
import { replaceHash } from '../hook/use-hash.ts';
import { useLoad } from '../hook/use-load.ts';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { SearchField } from '../part/search-field.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { imageHash, policiesHash } from '../route.ts';
import { useServices } from '../services.ts';
import { VerdictMark } from '../part/verdict-tag.tsx';
import { PolicySections } from './section-links.tsx';

/** How often the page is read again: the collector sends no events of policies. */
export const POLICY_REFRESH_MS = 30_000;
/** Images that are listed. */
const MAX_IMAGES = 1000;

/** The policies of the collector, and what each would do now. `namespace`: where the images are taken to run. */
export function PoliciesView({ namespace }: { readonly namespace: string }): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad(
    'policies',
    (signal) => api.get('/v1/policies', policyList, signal),
    POLICY_REFRESH_MS,
  );
  const path = withQuery('/v1/policies/simulation', {
    limit: MAX_IMAGES,
    namespace: namespace === '' ? undefined : namespace,
  });
  const simulated = useLoad(path, (signal) => api.get(path, simulation, signal), POLICY_REFRESH_MS);
  const isUnused = problem?.kind === 'notFound';
  return (
    <>
      <div class="findings-head">
        <h1 tabIndex={-1}>Policies</h1>
        <p class="findings-count" role="status">
          {value === undefined ? '' : counted(value.policies.length, 'policy', 'policies')}
        </p>
      </div>
      <PolicySections current="Policies" />
      {isUnused ? (
        <EmptyNote>
          The collector has no policies: start it with --policies and a file or a directory. docs/policy.md describes
          them.
        </EmptyNote>
      ) : null}
      {problem === undefined || isUnused ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the policies" /> : null}
      {value === undefined || isUnused ? null : (
        <>
          <FileProblems problems={value.problems} isEmpty={value.policies.length === 0} />
          <Card title="Policies in use">
            <PolicyTable policies={value.policies} simulated={simulated.value} />
          </Card>
          {simulated.problem === undefined ? null : (
            <ProblemNote problem={simulated.problem} onRetry={simulated.reload} />
          )}
          <SimulationCard simulated={simulated.value} namespace={namespace} />
        </>
      )}
    </>
  );
}

/** Says that the files as they are now are wrong, such as two policies that conflict. */
function FileProblems({
  problems,
  isEmpty,
}: {
  readonly problems: readonly { readonly source: string; readonly problem: string }[];
  readonly isEmpty: boolean;
}): JSX.Element | null {
  if (problems.length === 0) return null;
  return (
    <div class="note note-problem" role="alert">
      <p>
        <strong>The policy files are wrong.</strong>{' '}
        {isEmpty ? 'Until they are corrected no image is judged.' : 'The policies that were loaded before stay in use.'}
      </p>
      <ul class="file-problems">
        {problems.map(({ source, problem }, index) => (
          <li key={index}>
            <UntrustedText text={`${source}: ${problem}`} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function PolicyTable({
  policies,
  simulated,
}: {
  readonly policies: readonly ListedPolicy[];
  readonly simulated: Simulation | undefined;
}): JSX.Element {
  const effects = new Map(simulated?.policies.map((one) => [one.policy, one]));
  if (policies.length === 0) return <EmptyNote>No policy is in use.</EmptyNote>;
  return (
    <DataTable
      label="Policies in use"
      columns={['Policy', 'Mode', 'For', 'Conditions', 'Running containers now', 'If it were enforced', 'File']}
      rows={policies.map((policy) => {
        const effect = policy.kind === 'ImagePolicy' ? effects.get(policy.name) : undefined;
        return {
          key: `${policy.kind} ${policy.name}`,
          cells: [
            <>
              <UntrustedText text={policy.name} />
              <span class="policy-kind">{policy.kind}</span>
            </>,
            policy.mode,
            <Coverage policy={policy} />,
            <Conditions policy={policy} />,
            effect === undefined ? <NotSimulated policy={policy} /> : outcomesText(effect.containers),
            effect === undefined ? null : outcomesText(effect.enforced),
            policy.source,
          ],
        };
      })}
    />
  );
}

function NotSimulated({ policy }: { readonly policy: ListedPolicy }): JSX.Element {
  return <span class="muted">{policy.kind === 'ImagePolicy' ? 'not read' : 'not simulated'}</span>;
}

function Coverage({ policy: { images, namespaces, clients } }: { readonly policy: ListedPolicy }): JSX.Element {
  const rows = [
    ['images', images],
    ['namespaces', namespaces],
    ['clients', clients],
  ] as const;
  return (
    <ul class="cell-list">
      {rows
        .filter(([, patterns]) => patterns.length > 0)
        .map(([what, patterns]) => (
          <li key={what}>
            {what} <UntrustedText text={patterns.join(', ')} />
          </li>
        ))}
    </ul>
  );
}

function Conditions({ policy: { conditions, mode } }: { readonly policy: ListedPolicy }): JSX.Element {
  if (conditions.length === 0) return <span class="muted">none</span>;
  return (
    <ul class="cell-list">
      {conditions.map(({ place, text, mode: own, message }) => (
        <li key={place}>
          <UntrustedText text={text} />
          {own === mode ? null : <strong> ({own})</strong>}
          {message === null ? null : (
            <span class="muted">
              {' '}
              <UntrustedText text={message} />
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Containers by outcome: those that are refused first. */
function outcomesText({
  allow,
  deny,
  couldNotTell,
}: {
  readonly allow: number;
  readonly deny: number;
  readonly couldNotTell: number;
}): string {
  if (allow + deny + couldNotTell === 0) return 'none runs';
  return [
    ...(deny === 0 ? [] : [`${count(deny)} denied`]),
    ...(couldNotTell === 0 ? [] : [`${count(couldNotTell)} could not tell`]),
    ...(allow === 0 ? [] : [`${count(allow)} allowed`]),
  ].join(', ');
}

function SimulationCard({
  simulated,
  namespace,
}: {
  readonly simulated: Simulation | undefined;
  readonly namespace: string;
}): JSX.Element {
  const none = simulated?.policies.find(({ policy }) => policy === '');
  return (
    <Card
      title="If the running images were started now"
      aside={simulated === undefined ? undefined : counted(simulated.total, 'image')}
    >
      <SearchField
        text={namespace}
        label="Namespace that the images are taken to run in"
        placeholder="Namespace; empty: only policies for all namespaces apply"
        onText={(text) => replaceHash(policiesHash(text))}
      />
      {simulated === undefined ? <LoadingNote what="the decisions" /> : null}
      {none === undefined ? null : (
        <p class="hint">
          No policy applies to {counted(none.images, 'image')}: what no policy applies to is not allowed.
        </p>
      )}
      {simulated?.images.length === 0 ? <EmptyNote>No container runs.</EmptyNote> : null}
      {simulated === undefined || simulated.images.length === 0 ? null : (
        <DataTable
          label="Decisions on running images"
          columns={['Image', 'Now', 'If enforced', 'Containers', 'Policy', 'Why']}
          rows={simulated.images.map((image) => ({
            key: `${image.id} ${image.name}`,
            cells: [
              <a href={imageHash(image.id)}>
                <UntrustedText text={image.name === '' ? shortId(image.id) : image.name} />
              </a>,
              <OutcomeTag outcome={image.outcome} />,
              <OutcomeTag outcome={image.enforced} />,
              count(image.containers),
              image.policies.length === 0 ? 'none' : image.policies.join(', '),
              reasonSummary(image) || null,
            ],
          }))}
        />
      )}
      {simulated !== undefined && simulated.total > simulated.images.length ? (
        <p class="hint">The {count(simulated.images.length)} worst are listed.</p>
      ) : null}
    </Card>
  );
}

const VERDICT_OF = Object.freeze({ allow: 'pass', deny: 'fail', couldNotTell: 'unknown' } as const);

/** What policies decide about an image: sign and word. */
function OutcomeTag({ outcome }: { readonly outcome: string }): JSX.Element {
  const verdict = Object.hasOwn(VERDICT_OF, outcome) ? VERDICT_OF[outcome as keyof typeof VERDICT_OF] : 'unknown';
  return (
    <span class={`tag tag-ver ver-${verdict}`}>
      <VerdictMark verdict={verdict} />
      {outcomeLabel(outcome)}
    </span>
  );
}
