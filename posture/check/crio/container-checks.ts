import type { Evidence } from '../../verdict.ts';
import { fail, manual, notApplicable, pass, unknownBecause } from '../../verdict.ts';
import type { NodeCheck } from '../check.ts';
import { allOf } from '../combine.ts';
import { quote, quoteList } from '../evidence-text.ts';
import { judgeList } from '../judge-list.ts';
import { crioCheck, DROP_IN, expectValue, whereSelinux, withSetting } from './crio-check.ts';
import { annotationProblems, extraCapabilities, hostDevices } from './weakening.ts';

/** Checks of what CRI-O gives containers. */
export const CRIO_CONTAINER_CHECKS: readonly NodeCheck[] = Object.freeze([
  crioCheck({
    id: 'crio.apparmor-profile',
    title: 'CRI-O confines containers with AppArmor',
    failTitle: 'CRI-O does not confine containers with AppArmor',
    severity: 'high',
    rationale: 'A pod that asks for no profile gets this one. With unconfined, AppArmor restricts none of them.',
    remediation: `Remove apparmor_profile from [crio.runtime] (the default is crio-default), or set a profile that is loaded, in ${DROP_IN}; restart crio.`,
    judge: (crio, { kernel: { apparmor, apparmorProfiles: loaded } }) => {
      if (apparmor.state === 'unreadable') return unknownBecause(`${apparmor.source}: ${apparmor.reason}`);
      if (apparmor.state === 'absent' || !apparmor.value) return notApplicable('AppArmor is not active on this host');
      return withSetting(crio, 'runtime.apparmor_profile', 'crio-default', (profile, seen) => {
        const evidence = { ...seen, expected: 'a profile that is loaded' };
        if (profile === 'unconfined') return fail('containers get no AppArmor profile', evidence);
        if (loaded.state !== 'seen')
          return unknownBecause(`${loaded.source}: ${loaded.state === 'absent' ? 'does not exist' : loaded.reason}`);
        // CRI-O loads its own profile with the first container.
        const name = profile === '' ? 'crio-default' : profile;
        return name.startsWith('crio-default') ||
          loaded.value.some((each) => each.name === name && each.mode !== 'complain')
          ? pass(evidence)
          : fail(`the profile ${quote(name)} is not loaded in enforce mode`, evidence);
      });
    },
  }),
  crioCheck({
    id: 'crio.capabilities',
    title: 'Default capabilities of CRI-O are restricted',
    failTitle: 'CRI-O grants further capabilities by default',
    severity: 'high',
    rationale:
      'Every container has these capabilities unless it drops them. With NET_RAW it forges packets on the network of the pods; inheritable ones reach programs that users start.',
    remediation: `Remove default_capabilities and add_inheritable_capabilities from [crio.runtime], or set them in ${DROP_IN}; restart crio.`,
    judge: (crio) =>
      allOf('high', [
        withSetting(crio, 'runtime.default_capabilities', 'the nine of CRI-O', (value, seen) => {
          const evidence = {
            ...seen,
            expected: 'CHOWN, DAC_OVERRIDE, FSETID, FOWNER, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, KILL',
          };
          const extra = seen.seen.includes(' is not set ') ? [] : extraCapabilities(value);
          return extra.length === 0 ? pass(evidence) : fail(`containers get ${quoteList(extra)}`, evidence);
        }),
        expectValue(
          crio,
          { name: 'runtime.add_inheritable_capabilities', preset: 'false', expected: 'false' },
          'programs that a user of a container starts inherit capabilities',
        ),
      ]),
  }),
  crioCheck({
    id: 'crio.checkpoints',
    title: 'CRI-O writes no checkpoints of containers',
    failTitle: 'CRI-O can write checkpoints of containers',
    severity: 'low',
    rationale:
      'A checkpoint is the memory of a container on disk, keys and passwords included, for whoever may call the kubelet.',
    remediation: `Set container_level_enabled = "none" in [crio.checkpoint_restore] (older releases: enable_criu_support = false in [crio.runtime]) of ${DROP_IN}, or remove the package criu; restart crio.`,
    judge: (crio) => {
      const { criu } = crio;
      const installed = {
        source: criu.source,
        seen: criu.state === 'seen' ? 'installed' : 'not installed',
        expected: 'not installed, or turned off',
      };
      if (criu.state === 'unreadable') return unknownBecause(`${criu.source}: ${criu.reason}`);
      if (criu.state === 'absent') return pass(installed);
      return withSetting(crio, 'runtime.enable_criu_support', 'true', (support, old) =>
        withSetting(crio, 'checkpoint_restore.container_level_enabled', 'checkpoint-restore', (level, current) => {
          const evidence = [
            { ...current, expected: 'none' },
            { ...old, expected: 'false' },
          ];
          return level === 'none' || support === 'false'
            ? pass(...evidence)
            : fail('containers can be checkpointed', ...evidence, installed);
        }),
      );
    },
  }),
  crioCheck({
    id: 'crio.default-mounts',
    title: 'CRI-O mounts nothing of the host by default',
    failTitle: 'CRI-O mounts files of the host by default',
    severity: 'medium',
    rationale: 'What is listed there is copied into every container of the host, whatever its pod asks for.',
    remediation:
      'Remove the named lines from mounts.conf. Subscriptions of Red Hat hosts (/usr/share/rhel/secrets) are meant to be there.',
    judge: ({ defaultMounts }) => {
      const expected = 'none but /usr/share/rhel/secrets';
      if (defaultMounts.state === 'unreadable')
        return unknownBecause(`${defaultMounts.source}: ${defaultMounts.reason}`);
      const others = (defaultMounts.state === 'seen' ? defaultMounts.value : []).filter(
        (mount) => !/^\/(?:usr|etc)\/share\/rhel\/secrets(?::|$)/.test(mount),
      );
      const { source } = defaultMounts;
      return others.length === 0
        ? pass({ source, seen: 'none', expected })
        : manual(
            'decide whether every container may see this',
            ...others.slice(0, 8).map((mount) => ({ source, seen: quote(mount), expected })),
          );
    },
  }),
  crioCheck({
    id: 'crio.devices',
    title: 'CRI-O hands out no devices of the host',
    failTitle: 'CRI-O hands out devices of the host',
    severity: 'medium',
    rationale:
      'additional_devices are in every container, and allowed_devices in each that asks with an annotation. A disk or the memory of the host is the host.',
    remediation: `Remove the named devices from [crio.runtime], or set the lists anew in ${DROP_IN}; restart crio. Use a device plugin for single workloads.`,
    judge: (crio) =>
      allOf(
        'medium',
        (['runtime.additional_devices', 'runtime.allowed_devices'] as const).map((name) =>
          withSetting(crio, name, name.endsWith('allowed_devices') ? '/dev/fuse,/dev/net/tun' : '', (value, seen) => {
            const evidence = { ...seen, expected: 'no disks, memory or ports of the host' };
            const found = hostDevices(value);
            return found.length === 0 ? pass(evidence) : fail(`containers can get ${quoteList(found)}`, evidence);
          }),
        ),
      ),
  }),
  crioCheck({
    id: 'crio.host-network-selinux',
    title: 'Pods on the host network keep their SELinux label',
    failTitle: 'Pods on the host network have no SELinux label',
    severity: 'medium',
    rationale:
      'By default CRI-O turns SELinux off for every pod with hostNetwork: among these are the agents of the network and of the nodes, which are worth most to an attacker.',
    remediation: `Set hostnetwork_disable_selinux = false in [crio.runtime] of ${DROP_IN}, restart crio, and give pods that need it the type spc_t.`,
    judge: (crio, facts) =>
      whereSelinux(facts, () =>
        expectValue(
          crio,
          { name: 'runtime.hostnetwork_disable_selinux', preset: 'true', expected: 'false' },
          'pods with hostNetwork run without an SELinux label',
        ),
      ),
  }),
  crioCheck({
    id: 'crio.pids-limit',
    title: 'CRI-O or the kubelet limits processes of containers',
    failTitle: 'Nothing limits the processes of containers by default',
    severity: 'medium',
    rationale: 'Without a limit one container takes all process ids of the host, and nothing else can start.',
    remediation:
      'Set podPidsLimit in the configuration of the kubelet and restart it; pids_limit of CRI-O is deprecated.',
    judge: (crio, { kubelet }) =>
      withSetting(crio, 'runtime.pids_limit', '-1', (value, seen) => {
        const evidence = { ...seen, expected: 'more than 0, here or in the kubelet' };
        if (Number(value) > 0) return pass(evidence);
        const limit = kubelet.settings['podPidsLimit'];
        if (kubelet.process.state === 'seen' && limit?.state === 'unreadable')
          return unknownBecause(`${limit.source}: ${limit.reason}`);
        if (kubelet.process.state === 'unreadable')
          return unknownBecause(`${kubelet.process.source}: ${kubelet.process.reason}`);
        const pods = limit?.state === 'seen' ? limit.value : '';
        const own = {
          source: limit?.source ?? 'kubelet',
          seen: pods === '' ? 'podPidsLimit is not set' : `podPidsLimit: ${quote(pods)}`,
          expected: 'more than 0',
        };
        return Number(pods) > 0 ? pass(own, evidence) : fail('containers have no limit', evidence, own);
      }),
  }),
  crioCheck({
    id: 'crio.pivot-root',
    title: 'CRI-O separates the root of containers',
    failTitle: 'CRI-O leaves a way back to the root of the host',
    severity: 'medium',
    rationale: 'With no_pivot the root of the host stays mounted below that of the container.',
    remediation: `Remove no_pivot from [crio.runtime], or set it to false in ${DROP_IN}; restart crio.`,
    judge: (crio) =>
      expectValue(
        crio,
        { name: 'runtime.no_pivot', preset: 'false', expected: 'false' },
        'containers can reach the file system of the host',
      ),
  }),
  crioCheck({
    id: 'crio.runtimes',
    title: 'Pods cannot weaken themselves by annotations',
    failTitle: 'Pods can weaken themselves by annotations',
    severity: 'high',
    rationale:
      'Annotations that the default handler or a workload allows are open to everyone who may create a pod: devices of the host, another seccomp profile, a writable cgroup, other resources.',
    remediation: `Remove the named annotations from allowed_annotations; give them to a handler of its own, and restrict its RuntimeClass by policy. Restart crio.`,
    judge: (crio) => {
      const { runtimes, workloadAnnotations: workloads } = crio;
      if (runtimes.state === 'unreadable') return unknownBecause(`${runtimes.source}: ${runtimes.reason}`);
      if (workloads.state === 'unreadable') return unknownBecause(`${workloads.source}: ${workloads.reason}`);
      return withSetting(crio, 'runtime.default_runtime', 'crun', (name, seen) => {
        const own = (runtimes.state === 'seen' ? runtimes.value : []).find((each) => each.name === name);
        const expected = 'none of these annotations';
        const offered = workloads.state === 'seen' ? workloads.value : [];
        const evidence = (annotation: string, at: string, source: string): Evidence => ({
          source,
          seen: quote(`${annotation} of ${at}`),
          expected,
        });
        return judgeList({
          failed: [
            ...annotationProblems(own?.annotations ?? []).map((each) => evidence(each, name, runtimes.source)),
            ...annotationProblems(offered).map((each) => evidence(each, 'a workload', workloads.source)),
          ],
          unread: [],
          passed: { ...seen, expected },
          reason: 'every pod can use an annotation that weakens it',
        });
      });
    },
  }),
  crioCheck({
    id: 'crio.seccomp-profile',
    title: 'CRI-O filters system calls by default',
    failTitle: 'CRI-O does not filter system calls',
    severity: 'high',
    rationale:
      'The profile applies to every container whose pod asks for RuntimeDefault. One that allows by default filters nothing.',
    remediation: `Remove seccomp_profile from [crio.runtime] and its handlers (the built-in profile applies), or name a profile with defaultAction SCMP_ACT_ERRNO in ${DROP_IN}; restart crio.`,
    judge: (crio) =>
      allOf('high', [
        ...(['runtime.seccomp_profile', 'runtime.privileged_seccomp_profile'] as const).map((name) =>
          withSetting(crio, name, '', (value, seen) => {
            const evidence = { ...seen, expected: 'empty, or a profile' };
            return value === 'unconfined' && name === 'runtime.seccomp_profile'
              ? fail('containers run without a filter', evidence)
              : pass(evidence);
          }),
        ),
        withSetting(crio, 'runtime.seccomp_use_default_when_empty', 'true', (value, seen) =>
          value === 'false'
            ? fail('a pod without a profile runs without a filter', { ...seen, expected: 'true' })
            : pass({ ...seen, expected: 'true' }),
        ),
        ...crio.seccompProfiles.map(({ usedBy, path, defaultAction }) => {
          const expected = 'SCMP_ACT_ERRNO, SCMP_ACT_KILL …';
          if (defaultAction.state === 'unreadable') return unknownBecause(`${path}: ${defaultAction.reason}`);
          if (defaultAction.state === 'absent')
            return pass({ source: path, seen: 'does not exist: the built-in profile is used', expected });
          const evidence = {
            source: path,
            seen: `defaultAction ${quote(defaultAction.value)} (${quote(usedBy)})`,
            expected,
          };
          return /^SCMP_ACT_(?:ALLOW|LOG|TRACE)$/.test(defaultAction.value) && usedBy !== 'privileged'
            ? fail('the profile allows every system call that it does not name', evidence)
            : pass(evidence);
        }),
      ]),
  }),
  crioCheck({
    id: 'crio.selinux',
    title: 'CRI-O sets SELinux labels of containers',
    failTitle: 'CRI-O sets no SELinux labels of containers',
    severity: 'high',
    rationale:
      'Without labels containers on an SELinux host run with the label of CRI-O, which may do nearly everything.',
    remediation: `Remove selinux = false from [crio.runtime] (the default follows the host), install container-selinux, and restart crio.`,
    judge: (crio, facts) =>
      whereSelinux(facts, () =>
        withSetting(crio, 'runtime.selinux', 'as the host', (value, seen) => {
          const evidence = { ...seen, expected: 'true, or not set' };
          return value === 'false' ? fail('containers get no SELinux label of their own', evidence) : pass(evidence);
        }),
      ),
  }),
  crioCheck({
    id: 'crio.user-mappings',
    title: 'User namespaces of CRI-O use ids of their own',
    failTitle: 'User namespaces of CRI-O may use ids of the host',
    severity: 'low',
    rationale:
      'Where a pod chooses its own mapping, a low minimum lets it map the user ids of services and people of the host.',
    remediation: `Set minimum_mappable_uid and minimum_mappable_gid to 100000 in [crio.runtime] of ${DROP_IN}; restart crio.`,
    judge: (crio) => {
      const { runtimes } = crio;
      if (runtimes.state === 'unreadable') return unknownBecause(`${runtimes.source}: ${runtimes.reason}`);
      const isAllowed = (runtimes.state === 'seen' ? runtimes.value : []).some(({ annotations }) =>
        annotations.some((each) => /userns-mode/.test(each)),
      );
      return withSetting(crio, 'runtime.uid_mappings', '', (mappings, seen) =>
        mappings === '' && !isAllowed
          ? notApplicable('no handler lets pods choose a user namespace of CRI-O', { ...seen, expected: 'empty' })
          : allOf(
              'low',
              (['runtime.minimum_mappable_uid', 'runtime.minimum_mappable_gid'] as const).map((name) =>
                withSetting(crio, name, '-1', (value, minimum) =>
                  Number(value) >= 100_000
                    ? pass({ ...minimum, expected: '100000 or more' })
                    : fail('a pod can map ids of the host', { ...minimum, expected: '100000 or more' }),
                ),
              ),
            ),
      );
    },
  }),
]);
