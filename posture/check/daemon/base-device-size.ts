import { fail, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import { daemonCheck, toldEvidence, unseenReason } from './setting.ts';
import { configuredValueOf } from './configured-value.ts';

export const baseDeviceSize = daemonCheck({
  id: 'daemon.base-device-size',
  title: 'The base device of devicemapper has its default size',
  severity: 'info',
  rationale: 'A larger base device lets each image and container take more of the shared pool, up to an outage of all.',
  remediation: 'Remove dm.basesize from "storage-opts" in daemon.json or from --storage-opt; better, move to overlay2.',
  judge: (docker) => {
    if (docker.api.state !== 'seen') return unknownBecause(unseenReason(docker.api));
    const { storageDriver } = docker.api.value;
    if (storageDriver !== 'devicemapper') return notApplicable(`the storage driver is ${storageDriver}`);
    const told = configuredValueOf(docker, { flag: 'storage-opt', key: 'storage-opts' }, []);
    if (!told.known) return unknownBecause(told.reason);
    const evidence = toldEvidence(told, 'no dm.basesize');
    if (told.values.some((value) => value.startsWith('dm.basesize'))) return fail(evidence);
    return told.doubt === '' ? pass(evidence) : unknownBecause(told.doubt, evidence);
  },
});
