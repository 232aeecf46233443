import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { daemonCheck, configuredEvidence, unseenReason } from './setting.ts';
import { configuredValueOf } from './configured-value.ts';

export const baseDeviceSize = daemonCheck({
  id: 'daemon.base-device-size',
  title: 'Base device has its default size',
  failTitle: 'Base device size was changed',
  severity: 'info',
  rationale: 'A larger base device lets each image and container use more of the shared pool, until all of them fail.',
  remediation: 'Remove dm.basesize from "storage-opts" in daemon.json or from --storage-opt; better, move to overlay2.',
  judge: (docker) => {
    if (docker.api.state !== 'seen') return unknownBecause(unseenReason(docker.api));
    const { storageDriver } = docker.api.value;
    if (storageDriver !== 'devicemapper') return notApplicable(`the storage driver is ${storageDriver}`);
    const value = configuredValueOf(docker, { flag: 'storage-opt', key: 'storage-opts' }, []);
    if (!value.known) return unknownBecause(value.reason);
    const evidence = configuredEvidence(value, 'no dm.basesize');
    if (value.values.some((option) => option.startsWith('dm.basesize')))
      return fail('images and containers can use more of the shared pool', evidence);
    return value.doubt === '' ? pass(evidence) : unknownBecause(value.doubt, evidence);
  },
});
