import type { JSX } from 'preact';
import { checkList } from '../../api/check.ts';
import type { Check } from '../../api/check.ts';
import { replaceHash } from '../hook/use-hash.ts';
import { useLoad } from '../hook/use-load.ts';
import { SeverityChoices } from '../part/choices.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { SearchField } from '../part/search-field.tsx';
import { SeverityTag } from '../part/severity-tag.tsx';
import { checkHash, checksHash } from '../route.ts';
import { useServices } from '../services.ts';
import { count, counted } from '../../api/format.ts';
import { CheckSections } from './check-sections.tsx';
import { matchingChecks } from './check-filter.ts';
import type { CheckFilter } from './check-filter.ts';

/** All checks that the collector knows, worst first. */
export function ChecksView({ filter }: { readonly filter: CheckFilter }): JSX.Element {
  const { api } = useServices();
  const { value, problem, reload } = useLoad('checks', (signal) => api.get('/v1/checks', checkList, signal));
  const apply = (change: Partial<CheckFilter>): void => replaceHash(checksHash({ ...filter, ...change }));
  const all = value?.checks ?? [];
  const shown = matchingChecks(all, filter);
  const total =
    shown.length === all.length
      ? counted(all.length, 'check')
      : `${count(shown.length)} of ${counted(all.length, 'check')}`;
  return (
    <>
      <div class="findings-head">
        <h1 tabIndex={-1}>Checks</h1>
        <p class="findings-count" role="status">
          {value === undefined ? '' : total}
        </p>
      </div>
      <CheckSections current="Checks" />
      <div class="filters" role="search" aria-label="Checks">
        <SearchField
          text={filter.text}
          label="Words in id, title, explanation, facts or benchmark controls"
          placeholder="Search id, title, explanation, control"
          onText={(text) => apply({ text })}
        />
        <div class="filter-groups">
          <SeverityChoices chosen={filter.severities} onChosen={(severities) => apply({ severities })} />
        </div>
      </div>
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the checks" /> : null}
      {value !== undefined && shown.length === 0 ? <EmptyNote>No check matches these filters.</EmptyNote> : null}
      {shown.length === 0 ? null : (
        <ul class="checks" aria-label="Checks">
          {shown.map((check) => (
            <li key={check.id}>
              <CheckRow check={check} />
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function CheckRow({
  check: { id, title, severity, severityLevels, judges, controls },
}: {
  readonly check: Check;
}): JSX.Element {
  // The versions of a benchmark mostly give a control the same number.
  const named = [
    ...new Set(controls.map(({ benchmark, control }) => `${benchmark.replace(/-[\d.]+$/, '')} ${control}`)),
  ];
  return (
    <a href={checkHash(id)}>
      <SeverityTag severity={severity} isWorst={severityLevels.length > 0} />
      <span class="checks-title">{title}</span>
      <span class="checks-id">{id}</span>
      <span class="checks-judges">
        <span class="visually-hidden">judges: </span>
        {judges}
      </span>
      <span class="checks-controls">{named.join(', ')}</span>
    </a>
  );
}
