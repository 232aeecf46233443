import type { JSX } from 'preact';
import { count, counted } from '../../api/format.ts';
import { waiverList } from '../../api/waiver.ts';
import type { ListedWaiver } from '../../api/waiver.ts';
import { problemsOf } from '../../api/waiver-problems.ts';
import { CheckSections } from '../check/check-sections.tsx';
import { useLoad } from '../hook/use-load.ts';
import { useNow } from '../hook/use-now.ts';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { checkHash, exemptionsHash, findingsHash, vulnerabilityHash } from '../route.ts';
import { useServices } from '../services.ts';
import { filterOf } from './waiver-filter.ts';

/** The collector reads the files of waivers anew, and counts what they accept, within this time. */
const REFRESH_MS = 60_000;
const DAY_MS = 86_400_000;
/** Waivers that end within this time are among those to decide about. */
const SOON_MS = 14 * DAY_MS;

/** Who accepts which findings and vulnerabilities, why, until when, and what that amounts to. */
export function WaiversView(): JSX.Element {
  const { api } = useServices();
  const now = useNow();
  const { value, problem, reload } = useLoad(
    'waivers',
    (signal) => api.get('/v1/waivers', waiverList, signal),
    REFRESH_MS,
  );
  const all = (value?.waivers ?? []).map((waiver) => ({
    waiver,
    problems: problemsOf(waiver, { nowMs: now, withinMs: SOON_MS, maxFindings: Infinity }),
  }));
  const open = all.filter(({ problems }) => problems.length > 0);
  const others = all.filter(({ problems }) => problems.length === 0);
  return (
    <>
      <div class="findings-head">
        <h1 tabIndex={-1}>Waivers</h1>
        <p class="findings-count" role="status">
          {value === undefined ? '' : counted(all.length + value.omitted, 'waiver')}
        </p>
      </div>
      <CheckSections current="Waivers" />
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the waivers" /> : null}
      {value !== undefined && all.length === 0 ? (
        <EmptyNote>
          No waivers. The setting <code>waivers</code> of the collector names the files that it reads them from.
        </EmptyNote>
      ) : null}
      {open.length === 0 ? null : (
        <WaiverCard
          title="To decide about"
          hint="Expired, ending within 14 days, accepting nothing, or accepting more than half of all findings. What has expired accepts nothing: the findings count again."
          waivers={open}
        />
      )}
      {others.length === 0 ? null : (
        <WaiverCard
          title={open.length === 0 ? 'All waivers' : 'Other waivers'}
          hint="A waived finding stays in the lists, marked as waived, and a control that it fails counts as failed."
          waivers={others}
        />
      )}
      {value === undefined || value.omitted === 0 ? null : (
        <p class="hint">{count(value.omitted)} more are not listed.</p>
      )}
      {value === undefined ? null : (
        <p class="hint">
          <code>plimsoll waivers report</code> lists what to decide about. What policies leave out:{' '}
          <a href={exemptionsHash()}>exemptions</a>
        </p>
      )}
    </>
  );
}

interface ShownWaiver {
  readonly waiver: ListedWaiver;
  readonly problems: readonly string[];
}

function WaiverCard({
  title,
  hint,
  waivers,
}: {
  readonly title: string;
  readonly hint: string;
  readonly waivers: readonly ShownWaiver[];
}): JSX.Element {
  return (
    <Card title={title} aside={counted(waivers.length, 'waiver')}>
      <DataTable
        label={`${title}, the first to expire first`}
        columns={['Waiver', 'State', 'Accepts', 'Expires', 'Owner', 'Reason', 'What']}
        rows={waivers.map(({ waiver, problems }) => ({
          key: `${waiver.target} ${waiver.name}`,
          cells: [
            waiver.name,
            <StateCell waiver={waiver} problems={problems} />,
            <AcceptsCell waiver={waiver} />,
            <time class="no-wrap" dateTime={waiver.expires}>
              {waiver.expires}
            </time>,
            waiver.owner,
            waiver.reason,
            <WhatCell waiver={waiver} />,
          ],
        }))}
      />
      <p class="hint">{hint}</p>
    </Card>
  );
}

const STATES: Readonly<Record<string, string>> = Object.freeze({
  used: 'active',
  broad: 'active',
  unused: 'active',
  pending: 'not yet in force',
  expired: '',
  notReviewed: 'not reviewed yet',
});

function StateCell({ waiver: { state, from }, problems }: ShownWaiver): JSX.Element {
  const word = state === 'pending' && from !== null ? `from ${from}` : (STATES[state] ?? state);
  return (
    <>
      {word}
      {word !== '' && problems.length > 0 ? ', ' : ''}
      {problems.length === 0 ? null : <strong class="weak">{problems.join(', ')}</strong>}
    </>
  );
}

/** How much it accepts; a link to it where it is findings. One that is not in force has a link to what it would accept. */
function AcceptsCell({ waiver }: { readonly waiver: ListedWaiver }): JSX.Element {
  const { target, findings, images, state } = waiver;
  if (target === 'vulnerabilities') return <>{images === null ? 'not known' : counted(images, 'image')}</>;
  const isInForce = state === 'used' || state === 'broad';
  if (isInForce && findings !== null)
    return <a href={findingsHash(filterOf(waiver))}>{counted(findings, 'finding')}</a>;
  if (state === 'unused') return <>0 findings</>;
  return <a href={findingsHash(filterOf(waiver))}>findings of its checks</a>;
}

/** The conditions of a waiver: all of them must hold. */
function WhatCell({ waiver: { match } }: { readonly waiver: ListedWaiver }): JSX.Element {
  const { checks, vulnerabilities, subjects, nodes, packages, images, imageIds } = match;
  const linked = [
    ...checks.map((id) => ({ id, href: checkHash(id) })),
    ...vulnerabilities.map((id) => ({ id, href: vulnerabilityHash(id) })),
  ];
  const conditions = [
    ['subjects', subjects],
    ['nodes', nodes],
    ['packages', packages],
    ['images', [...images, ...imageIds]],
  ] as const;
  return (
    <ul class="cell-list">
      {linked.slice(0, MAX_WORDS).map(({ id, href }) => (
        <li key={id}>
          <a href={href}>
            <UntrustedText text={id} />
          </a>
        </li>
      ))}
      {linked.length > MAX_WORDS ? <li>{count(linked.length - MAX_WORDS)} more</li> : null}
      {conditions
        .filter(([, words]) => words.length > 0)
        .map(([label, words]) => (
          <li key={label}>
            {label}: <UntrustedText text={shortened(words)} />
          </li>
        ))}
    </ul>
  );
}

/** Ids and patterns of one condition that a cell shows. */
const MAX_WORDS = 4;

function shortened(words: readonly string[]): string {
  const rest = words.length - MAX_WORDS;
  return `${words.slice(0, MAX_WORDS).join(', ')}${rest > 0 ? ` and ${count(rest)} more` : ''}`;
}
