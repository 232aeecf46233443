import type { JSX } from 'preact';
import type { FleetVulnerability } from '../../api/image.ts';
import { VULNERABILITY_SEVERITIES, vulnerabilityList } from '../../api/image.ts';
import { count, counted } from '../../api/format.ts';
import { replaceHash } from '../hook/use-hash.ts';
import { useLoad } from '../hook/use-load.ts';
import { Choices } from '../part/choices.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote, LoadingNote, ProblemNote } from '../part/note.tsx';
import { SearchField } from '../part/search-field.tsx';
import { ToggleChip } from '../part/toggle-chip.tsx';
import { vulnerabilitiesHash } from '../route.ts';
import { useServices } from '../services.ts';
import { CoverageNote, isCovered, REFRESH_MS, useImages } from './coverage.tsx';
import { ImageSections } from './section-links.tsx';
import { matchesAll, writeVulnerabilityFilter } from './vulnerability-filter.ts';
import type { VulnerabilityFilter } from './vulnerability-filter.ts';
import {
  epssText,
  Figure,
  riskText,
  VulnerabilitySeverityMark,
  VulnerabilityLink,
  VulnerabilitySeverityTag,
} from './vulnerability-tags.tsx';

/** Vulnerabilities that are listed at most: the largest page of the API. */
const MAX_LISTED = 1000;

/** The vulnerabilities of running containers, by risk. */
export function VulnerabilitiesView({ filter }: { readonly filter: VulnerabilityFilter }): JSX.Element {
  const { api } = useServices();
  const images = useImages();
  const query = [`limit=${String(MAX_LISTED)}`, writeVulnerabilityFilter(filter)].filter((part) => part !== '');
  const path = `/v1/vulnerabilities?${query.join('&')}`;
  const { value, problem, reload } = useLoad(path, (signal) => api.get(path, vulnerabilityList, signal), REFRESH_MS);
  const list = value?.vulnerabilities ?? [];
  const isCut = value !== undefined && value.cursor !== null;
  const total = counted(list.length, 'vulnerability', 'vulnerabilities');
  return (
    <>
      <div class="findings-head">
        <h1 tabIndex={-1}>Vulnerabilities</h1>
        <p class="findings-count" role="status">
          {value === undefined ? '' : isCut ? `${count(list.length)} or more vulnerabilities` : total}
        </p>
      </div>
      <ImageSections current="Vulnerabilities" />
      <Filters filter={filter} />
      <CoverageNote loaded={images} />
      {problem === undefined ? null : <ProblemNote problem={problem} onRetry={reload} />}
      {value === undefined && problem === undefined ? <LoadingNote what="the vulnerabilities" /> : null}
      {value !== undefined && list.length === 0 ? (
        <EmptyNote>{emptyText(filter, images.value !== undefined && isCovered(images.value))}</EmptyNote>
      ) : null}
      {list.length === 0 ? null : (
        <section class="card" aria-label="Vulnerabilities by risk">
          <VulnerabilityTable list={list} />
          {isCut ? (
            <p class="hint">The {count(MAX_LISTED)} of highest risk are listed; a filter shows others.</p>
          ) : null}
        </section>
      )}
    </>
  );
}

function emptyText(filter: VulnerabilityFilter, isWhole: boolean): string {
  const none = matchesAll(filter)
    ? 'No vulnerability of a running container is known.'
    : 'No known vulnerability of a running container matches these filters.';
  return isWhole ? none : `${none} Not everything is known, so this does not mean that there is none.`;
}

function Filters({ filter }: { readonly filter: VulnerabilityFilter }): JSX.Element {
  const apply = (change: Partial<VulnerabilityFilter>): void =>
    replaceHash(vulnerabilitiesHash({ ...filter, ...change }));
  return (
    <div class="filters" role="search" aria-label="Vulnerabilities">
      <SearchField
        text={filter.text}
        label="Part of an id or of the name of a package"
        placeholder="Search CVE or package"
        onText={(text) => apply({ text })}
      />
      <div class="filter-groups">
        <Choices
          legend="Severity"
          words={VULNERABILITY_SEVERITIES}
          chosen={filter.severities}
          onChosen={(severities) => apply({ severities })}
        >
          {(severity) => (
            <>
              <VulnerabilitySeverityMark severity={severity} /> {severity}
            </>
          )}
        </Choices>
        <fieldset>
          <legend>Only</legend>
          <ToggleChip isOn={filter.exploited} onToggle={() => apply({ exploited: !filter.exploited })}>
            known exploited
          </ToggleChip>
          <ToggleChip isOn={filter.fixable} onToggle={() => apply({ fixable: !filter.fixable })}>
            with a fix
          </ToggleChip>
        </fieldset>
      </div>
    </div>
  );
}

function VulnerabilityTable({ list }: { readonly list: readonly FleetVulnerability[] }): JSX.Element {
  return (
    <DataTable
      label="Vulnerabilities by risk"
      columns={['Vulnerability', 'Severity', 'Risk', 'EPSS', 'Fix', 'Packages', 'Containers', 'Images', 'Nodes']}
      rows={list.map((one) => ({
        key: one.id,
        cells: [
          <VulnerabilityLink id={one.id} exploited={one.exploited} />,
          <VulnerabilitySeverityTag severity={one.severity} />,
          <Figure text={riskText(one.risk)} />,
          <Figure text={epssText(one.epss)} />,
          one.isSuppressed ? 'suppressed' : one.fixable ? 'available' : 'none known',
          one.packages.join(', '),
          count(one.containers),
          count(one.images),
          count(one.nodes),
        ],
      }))}
    />
  );
}
