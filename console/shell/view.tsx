import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { BenchmarkView } from '../benchmark/benchmark-view.tsx';
import { BenchmarksView } from '../benchmark/benchmarks-view.tsx';
import { CheckView } from '../check/check-view.tsx';
import { ChecksView } from '../check/checks-view.tsx';
import { ContainerView } from '../container/container-view.tsx';
import { DetectionView } from '../detection/detection-view.tsx';
import { DetectionsView } from '../detection/detections-view.tsx';
import { FindingsView } from '../findings/findings-view.tsx';
import { HistoryView } from '../history/history-view.tsx';
import { ImageView } from '../image/image-view.tsx';
import { ImagesView } from '../image/images-view.tsx';
import { NodeView } from '../node/node-view.tsx';
import { OverviewView } from '../overview/overview-view.tsx';
import { EmptyNote } from '../part/note.tsx';
import { DenialView } from '../enforcement/denial-view.tsx';
import { DenialsView } from '../enforcement/denials-view.tsx';
import { ExemptionsView } from '../enforcement/exemptions-view.tsx';
import { PoliciesView } from '../enforcement/policies-view.tsx';
import { RolloutView } from '../enforcement/rollout-view.tsx';
import { RolloutsView } from '../enforcement/rollouts-view.tsx';
import { QueryView } from '../query/query-view.tsx';
import type { Route } from '../route.ts';
import { DeadLetterView } from '../sink/dead-letter-view.tsx';
import { DeadLettersView } from '../sink/dead-letters-view.tsx';
import { SinksView } from '../sink/sinks-view.tsx';
import { WaiversView } from '../waivers/waivers-view.tsx';
import { FixesView } from '../vulnerabilities/fixes-view.tsx';
import { VulnerabilitiesView } from '../vulnerabilities/vulnerabilities-view.tsx';
import { VulnerabilityView } from '../vulnerabilities/vulnerability-view.tsx';

const TITLES = Object.freeze({
  overview: 'Overview',
  node: 'Node',
  container: 'Container',
  images: 'Images',
  image: 'Image',
  vulnerabilities: 'Vulnerabilities',
  vulnerability: 'Vulnerability',
  fixes: 'Upgrades',
  history: 'History',
  findings: 'Findings',
  checks: 'Checks',
  check: 'Check',
  benchmarks: 'Benchmarks',
  benchmark: 'Benchmark',
  query: 'Query',
  policies: 'Policies',
  exemptions: 'Exemptions',
  waivers: 'Waivers',
  denials: 'Denials',
  denial: 'Denial',
  rollouts: 'Rollouts',
  rollout: 'Rollout',
  detections: 'Detections',
  detection: 'Detection',
  sinks: 'Sinks',
  deadLetters: 'Dead letters',
  deadLetter: 'Dead letter',
  unknown: 'Not found',
} satisfies Record<Route['view'], string>);

/** The view that a route names. Going to another one moves the focus to its heading, as a new page would. */
export function View({ route }: { readonly route: Route }): JSX.Element {
  const place = placeOf(route);
  const first = useRef(true);
  useEffect(() => {
    document.title = `${TITLES[route.view]} · Plimsoll`;
    if (first.current) {
      first.current = false;
      return;
    }
    scrollTo(0, 0);
    document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true });
  }, [place]);
  switch (route.view) {
    case 'overview':
      return <OverviewView range={route.range} />;
    case 'node':
      return <NodeView key={route.nodeId} nodeId={route.nodeId} />;
    case 'container':
      return <ContainerView key={`${route.nodeId} ${route.containerId}`} {...route} />;
    case 'image':
      return <ImageView key={route.imageId} imageId={route.imageId} />;
    case 'images':
      return <ImagesView />;
    case 'vulnerabilities':
      return <VulnerabilitiesView filter={route.filter} />;
    case 'vulnerability':
      return <VulnerabilityView key={route.vulnerabilityId} vulnerabilityId={route.vulnerabilityId} />;
    case 'fixes':
      return <FixesView />;
    case 'history':
      return <HistoryView nodeId={route.nodeId} />;
    case 'findings':
      return <FindingsView filter={route.filter} group={route.group} open={route.open} />;
    case 'checks':
      return <ChecksView filter={route.filter} />;
    case 'check':
      return <CheckView key={route.checkId} checkId={route.checkId} />;
    case 'benchmarks':
      return <BenchmarksView />;
    case 'benchmark':
      return <BenchmarkView key={`${route.benchmarkId} ${route.nodeId}`} {...route} />;
    case 'query':
      return <QueryView place={route.query} />;
    case 'policies':
      return <PoliciesView namespace={route.namespace} />;
    case 'exemptions':
      return <ExemptionsView />;
    case 'waivers':
      return <WaiversView />;
    case 'denials':
      return <DenialsView filter={route.filter} />;
    case 'denial':
      return <DenialView key={route.denialId} denialId={route.denialId} />;
    case 'rollouts':
      return <RolloutsView withNothing={route.withNothing} />;
    case 'rollout':
      return <RolloutView key={route.rolloutId} rolloutId={route.rolloutId} />;
    case 'detections':
      return <DetectionsView filter={route.filter} />;
    case 'detection':
      return <DetectionView key={route.detectionId} detectionId={route.detectionId} />;
    case 'sinks':
      return <SinksView />;
    case 'deadLetters':
      return <DeadLettersView sink={route.sink} />;
    case 'deadLetter':
      return <DeadLetterView key={route.deadLetterId} deadLetterId={route.deadLetterId} />;
    case 'unknown':
      return (
        <>
          <h1 tabIndex={-1}>There is no such view</h1>
          <EmptyNote>
            The address names a view that this page does not have. <a href="#/">Go to the overview</a>
          </EmptyNote>
        </>
      );
  }
}

/** What stays the same while a person stays in one view. */
function placeOf(route: Route): string {
  switch (route.view) {
    case 'node':
      return `node ${route.nodeId}`;
    case 'container':
      return `container ${route.nodeId} ${route.containerId}`;
    case 'image':
      return `image ${route.imageId}`;
    case 'vulnerability':
      return `vulnerability ${route.vulnerabilityId}`;
    case 'check':
      return `check ${route.checkId}`;
    case 'benchmark':
      return `benchmark ${route.benchmarkId} ${route.nodeId}`;
    case 'denial':
      return `denial ${route.denialId}`;
    case 'rollout':
      return `rollout ${route.rolloutId}`;
    case 'detection':
      return `detection ${route.detectionId}`;
    case 'deadLetter':
      return `dead letter ${route.deadLetterId}`;
    case 'overview':
    case 'benchmarks':
    case 'findings':
    case 'history':
    case 'checks':
    case 'query':
    case 'images':
    case 'vulnerabilities':
    case 'fixes':
    case 'policies':
    case 'exemptions':
    case 'waivers':
    case 'denials':
    case 'rollouts':
    case 'detections':
    case 'sinks':
    case 'deadLetters':
    case 'unknown':
      return route.view;
  }
}
