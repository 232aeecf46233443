import type { JSX } from 'preact';
import type { ContainerDetail } from '../../posture/compare/container.ts';
import { FactList } from '../node/fact-list.tsx';
import type { FactRow } from '../node/node-facts.ts';
import { Card } from '../part/card.tsx';
import { DataTable } from '../part/data-table.tsx';
import { EmptyNote } from '../part/note.tsx';

/** What a container can reach beyond itself: files of the host, ports, devices, sockets of engines. */
export function ContainerResources({
  detail,
  part,
}: {
  readonly detail: ContainerDetail;
  readonly part: 'mounts' | 'ports' | 'devices';
}): JSX.Element {
  switch (part) {
    case 'mounts':
      return <Mounts detail={detail} />;
    case 'ports':
      return <Ports detail={detail} />;
    case 'devices':
      return (
        <Card title="Devices and engine sockets">
          <FactList rows={deviceRows(detail)} />
        </Card>
      );
  }
}

function Mounts({ detail: { declaredMounts, mounts } }: { readonly detail: ContainerDetail }): JSX.Element {
  const ofHost = mounts?.filter(({ origin }) => origin !== 'container') ?? [];
  return (
    <Card title="Mounts">
      <h3>Declared</h3>
      {declaredMounts.length === 0 ? (
        <EmptyNote>No mounts declared.</EmptyNote>
      ) : (
        <DataTable
          label="Declared mounts"
          columns={['In the container', 'Type', 'On the host', 'Access', 'Propagation']}
          rows={declaredMounts.map(({ type, source, destination, writable, propagation }, index) => ({
            key: `${String(index)} ${destination}`,
            cells: [destination, type, source, writable ? 'writable' : 'read-only', propagation],
          }))}
        />
      )}
      <h3>Effective</h3>
      {mounts === null ? <EmptyNote>The mount table of the container could not be read.</EmptyNote> : null}
      {mounts !== null && ofHost.length === 0 ? <EmptyNote>No mount of the host is visible inside.</EmptyNote> : null}
      {ofHost.length === 0 ? null : (
        <DataTable
          label="Mounts of the host that are visible inside"
          columns={['In the container', 'File system', 'On the host', 'Access']}
          rows={ofHost.map(({ mountPoint, fsType, readOnly, origin, nodePaths }, index) => ({
            key: `${String(index)} ${mountPoint}`,
            cells: [
              mountPoint,
              fsType,
              origin === 'unresolved' ? 'not resolved' : nodePaths.join(', '),
              readOnly ? 'read-only' : 'writable',
            ],
          }))}
        />
      )}
    </Card>
  );
}

function Ports({ detail: { ports, networks } }: { readonly detail: ContainerDetail }): JSX.Element {
  return (
    <Card title="Ports and networks">
      <FactList
        rows={[{ name: 'networks', value: networks.length === 0 ? 'none' : networks.join(', '), weakness: '' }]}
      />
      {ports.length === 0 ? (
        <EmptyNote>No published ports.</EmptyNote>
      ) : (
        <DataTable
          label="Published ports"
          columns={['Port of the container', 'Address of the host', 'Port of the host']}
          rows={ports.map(({ containerPort, hostIp, hostPort }, index) => ({
            key: `${String(index)} ${containerPort}`,
            cells: [
              containerPort,
              hostIp === '' ? 'all addresses' : hostIp,
              hostPort === 0 ? 'not chosen yet' : String(hostPort),
            ],
          }))}
        />
      )}
    </Card>
  );
}

function deviceRows({ devices, deviceRules, controlSockets }: ContainerDetail): readonly FactRow[] {
  return [
    ...(devices.length === 0 ? [{ name: 'declared devices', value: 'none', weakness: '' }] : []),
    ...devices.map(({ path, permissions }) => ({ name: path, value: permissions, weakness: '' })),
    {
      name: 'device rules',
      value: deviceRules === null ? 'not readable (cgroup version 2)' : deviceRules.join(', '),
      weakness: deviceRules?.some((rule) => rule.startsWith('a ')) === true ? 'all devices' : '',
    },
    ...(controlSockets === null ? [{ name: 'engine sockets', value: 'not read', weakness: '' }] : []),
    ...(controlSockets ?? []).map(({ path, at }) => ({
      name: 'engine socket',
      value: `${at} (${path})`,
      weakness: 'controls the engine',
    })),
    ...(controlSockets?.length === 0 ? [{ name: 'engine sockets', value: 'none reachable', weakness: '' }] : []),
  ];
}
