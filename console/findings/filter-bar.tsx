import type { JSX } from 'preact';
import { FINDING_STATES } from '../../api/finding.ts';
import type { GroupBy } from '../../api/finding.ts';
import { VERDICTS } from '../../posture/verdict.ts';
import { isUnfiltered, NO_FILTER } from '../filter.ts';
import type { FindingFilter } from '../filter.ts';
import { replaceHash } from '../hook/use-hash.ts';
import { Choices, SeverityChoices } from '../part/choices.tsx';
import { UntrustedText } from '../part/untrusted-text.tsx';
import { SearchField } from '../part/search-field.tsx';
import { VerdictMark } from '../part/verdict-tag.tsx';
import { findingsHash } from '../route.ts';
import { NodeSelect } from '../part/node-select.tsx';
import { VERDICT_LABELS } from '../../api/labels.ts';

/** What the list is narrowed by. The address always says the same, so that it can be copied. */
export function FilterBar({
  filter,
  group,
}: {
  readonly filter: FindingFilter;
  readonly group: GroupBy | undefined;
}): JSX.Element {
  const apply = (change: Partial<FindingFilter>): void => replaceHash(findingsHash({ ...filter, ...change }, group));
  const { severities, verdicts, waivers, checks, nodes, state } = filter;
  const active = [severities, verdicts, waivers, checks, nodes].flat().length + (state === '' ? 0 : 1);
  const isOneSubject = filter.subject !== '' || filter.kinds.length > 0;
  return (
    <div class="filters" role="search" aria-label="Findings">
      <SearchField
        text={filter.text}
        label="Words in check, title, subject, reason or evidence"
        placeholder="Search check, title, subject, evidence"
        onText={(text) => apply({ text })}
      />
      <details class="filter-more" open={matchMedia('(min-width: 800px)').matches}>
        <summary>Filters{active === 0 ? '' : ` (${String(active)})`}</summary>
        <div class="filter-groups">
          <SeverityChoices chosen={filter.severities} onChosen={(severities) => apply({ severities })} />
          <Choices
            legend="Verdict"
            words={VERDICTS}
            chosen={filter.verdicts}
            onChosen={(verdicts) => apply({ verdicts })}
          >
            {(verdict) => (
              <>
                <VerdictMark verdict={verdict} /> {VERDICT_LABELS[verdict]}
              </>
            )}
          </Choices>
          <Choices
            legend="Waivers"
            words={FINDING_STATES}
            chosen={filter.state === '' ? [] : [filter.state]}
            onChosen={(states) => apply({ state: states.find((state) => state !== filter.state) ?? '' })}
          >
            {(state) => (state === 'open' ? 'not waived' : 'waived')}
          </Choices>
          <NodeSelect nodeId={filter.nodes[0] ?? ''} onSelect={(id) => apply({ nodes: id === '' ? [] : [id] })} />
          {isOneSubject ? (
            <RemoveChip
              text={filter.subject === '' ? filter.kinds.join(', ') : filter.subject}
              onRemove={() => apply({ subject: '', kinds: [] })}
            />
          ) : null}
          <NameFilter legend="Accepted by" names={waivers} onNames={(chosen) => apply({ waivers: chosen })} />
          <NameFilter legend="Check" names={checks} onNames={(chosen) => apply({ checks: chosen })} />
          {isUnfiltered(filter) ? null : (
            <button type="button" class="link" onClick={() => replaceHash(findingsHash(NO_FILTER, group))}>
              Clear all filters
            </button>
          )}
        </div>
      </details>
    </div>
  );
}

/** Filters by names that other pages set. A click removes one. */
function NameFilter({
  legend,
  names,
  onNames,
}: {
  readonly legend: string;
  readonly names: readonly string[];
  readonly onNames: (names: readonly string[]) => void;
}): JSX.Element | null {
  if (names.length === 0) return null;
  return (
    <fieldset>
      <legend>{legend}</legend>
      {names.map((name) => (
        <RemoveChip key={name} text={name} onRemove={() => onNames(names.filter((one) => one !== name))} />
      ))}
    </fieldset>
  );
}

function RemoveChip({ text, onRemove }: { readonly text: string; readonly onRemove: () => void }): JSX.Element {
  return (
    <button type="button" class="chip chip-remove" aria-pressed="true" onClick={onRemove}>
      <UntrustedText text={text} /> <span aria-hidden="true">×</span>
      <span class="visually-hidden">: remove this filter</span>
    </button>
  );
}
