import type { JSX } from 'preact';
import { withQuery } from '../../api/client.ts';
import {
  DENIAL_OUTCOME_LABELS,
  DENIAL_OUTCOMES,
  denialList,
  denialObject,
  ENFORCING_PROGRAMS,
  PROGRAM_LABELS,
} from '../../api/denial.ts';
import type { StoredDenialInfo } from '../../api/denial.ts';
import { replaceHash } from '../hook/use-hash.ts';
import { usePages } from '../hook/use-pages.ts';
import { Choices } from '../part/choices.tsx';
import { DataTable } from '../part/data-table.tsx';
import { PagedCard } from '../part/paged-card.tsx';
import { PeriodChoices } from '../part/period-choices.tsx';
import { SearchField } from '../part/search-field.tsx';
import { Ago } from '../part/time-text.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { sinceMsOf } from '../period.ts';
import { denialHash, denialsHash } from '../route.ts';
import { writeDenialFilter } from './denial-filter.ts';
import type { DenialFilter } from './denial-filter.ts';
import { DenialTag } from './denial-tag.tsx';
import { PolicySections } from './section-links.tsx';

/** Denials that are read at a time. */
const PAGE = 100;
/** How often the newest are read again: the collector sends no events of them to the page. */
const REFRESH_MS = 15_000;

/** Requests that violated a policy, newest first. */
export function DenialsView({ filter }: { readonly filter: DenialFilter }): JSX.Element {
  return (
    <>
      <h1 tabIndex={-1}>Denials</h1>
      <PolicySections current="Denials" />
      <p class="muted">
        Requests that violated a policy, as the admission webhook of Kubernetes and the authorization plugins of Docker
        report them.
      </p>
      <Filters filter={filter} />
      <DenialList key={writeDenialFilter(filter)} filter={filter} />
    </>
  );
}

function Filters({ filter }: { readonly filter: DenialFilter }): JSX.Element {
  const apply = (change: Partial<DenialFilter>): void => replaceHash(denialsHash({ ...filter, ...change }));
  return (
    <div class="filters" role="search" aria-label="Denials">
      <SearchField
        text={filter.namespace}
        label="Namespace"
        placeholder="Namespace, as a whole"
        onText={(namespace) => apply({ namespace })}
      />
      <div class="filter-groups">
        <Choices
          legend="Outcome"
          words={DENIAL_OUTCOMES}
          chosen={filter.outcomes}
          onChosen={(outcomes) => apply({ outcomes })}
        >
          {(outcome) => DENIAL_OUTCOME_LABELS[outcome]}
        </Choices>
        <Choices
          legend="Reported by"
          words={ENFORCING_PROGRAMS}
          chosen={filter.programs}
          onChosen={(programs) => apply({ programs })}
        >
          {(program) => PROGRAM_LABELS[program]}
        </Choices>
        <PeriodChoices chosen={filter.since} onChosen={(since) => apply({ since })} />
      </div>
    </div>
  );
}

function DenialList({ filter }: { readonly filter: DenialFilter }): JSX.Element {
  const { outcomes, programs, namespace, since } = filter;
  const written = writeDenialFilter(filter);
  const pages = usePages(
    `denials ${written}`,
    {
      pathOf: (cursor) =>
        withQuery('/v1/denials', {
          limit: PAGE,
          outcome: outcomes,
          program: programs,
          namespace: namespace.trim() === '' ? undefined : namespace.trim(),
          sinceMs: sinceMsOf(since),
          cursor,
        }),
      schema: denialList,
      itemsOf: ({ denials }) => denials,
      // An id is unique among those of one token.
      idOf: ({ source, id }) => `${source} ${id}`,
    },
    REFRESH_MS,
  );
  return (
    <PagedCard
      pages={pages}
      one="denial"
      empty={
        <>
          {written === '' ? 'No denial was reported.' : 'No denial matches these filters.'} Programs report only where
          they have a token for it: see docs/admission.md and docs/docker-authorization.md.
        </>
      }
    >
      {(denials, label) => <DenialTable denials={denials} label={label} />}
    </PagedCard>
  );
}

function DenialTable({
  denials,
  label,
}: {
  readonly denials: readonly StoredDenialInfo[];
  readonly label: string;
}): JSX.Element {
  return (
    <DataTable
      label={label}
      columns={['Object', 'Outcome', 'When', 'User', 'Why', 'Policies']}
      rows={denials.map((denial) => ({
        key: `${denial.source} ${denial.id}`,
        cells: [
          <a href={denialHash(denial.id)}>
            <UntrustedText text={denialObject(denial)} />
          </a>,
          <DenialTag outcome={denial.outcome} />,
          <Ago atMs={denial.receivedMs} />,
          denial.user === '' ? null : denial.user,
          [...new Set(denial.reasons.map(({ code, field }) => code || field))].join(', '),
          denial.policies.length === 0 ? null : denial.policies.join(', '),
        ],
      }))}
    />
  );
}
