import { admitted } from './admission/admitted.ts';
import { exemptNamespace } from './admission/exempt-namespace.ts';
import { webhook } from './admission/webhook.ts';
import { enrollment } from './agent/enrollment.ts';
import { resourceBudget } from './agent/resource-budget.ts';
import { AUDIT_CHECKS } from './audit/audit-checks.ts';
import type { Check } from './check.ts';
import { apparmor } from './container/apparmor.ts';
import { capabilities } from './container/capabilities.ts';
import { cgroupParent as containerCgroupParent } from './container/cgroup-parent.ts';
import { cpuLimit } from './container/cpu-limit.ts';
import { defaultBridge } from './container/default-bridge.ts';
import { devices } from './container/devices.ts';
import { execPrivileged } from './container/exec-privileged.ts';
import { execRoot } from './container/exec-root.ts';
import { health } from './container/health.ts';
import { hostCgroupNamespace } from './container/host-cgroup-namespace.ts';
import { hostIpc } from './container/host-ipc.ts';
import { hostNetwork } from './container/host-network.ts';
import { hostPid } from './container/host-pid.ts';
import { hostUserNamespace } from './container/host-user-namespace.ts';
import { hostUts } from './container/host-uts.ts';
import { imageCurrent } from './container/image-current.ts';
import { maskedPaths } from './container/masked-paths.ts';
import { memoryLimit } from './container/memory-limit.ts';
import { mountPropagation } from './container/mount-propagation.ts';
import { noNewPrivileges as containerNoNewPrivileges } from './container/no-new-privileges.ts';
import { pidsLimit } from './container/pids-limit.ts';
import { portBindAddress } from './container/port-bind-address.ts';
import { privilegedPort } from './container/privileged-port.ts';
import { privileged } from './container/privileged.ts';
import { publishedPortsExposed } from './container/published-ports.ts';
import { readOnlyRoot } from './container/read-only-root.ts';
import { restartPolicy } from './container/restart-policy.ts';
import { rootUser } from './container/root-user.ts';
import { runtimeSocket } from './container/runtime-socket.ts';
import { seccompFilter } from './container/seccomp-filter.ts';
import { selinux } from './container/selinux.ts';
import { sensitiveMount } from './container/sensitive-mount.ts';
import { sshServer } from './container/ssh-server.ts';
import { ulimits } from './container/ulimits.ts';
import { CONTAINERD_CHECKS } from './containerd/containerd-checks.ts';
import { defaultRuntime } from './containerd/default-runtime.ts';
import { plugins } from './containerd/plugins.ts';
import { knownVulnerabilities as containerdKnownVulnerabilities } from './containerd/known-vulnerabilities.ts';
import { CRIO_CHECKS } from './crio/crio-checks.ts';
import { authorizationPluginBypass } from './daemon/authorization-plugin-bypass.ts';
import { authorizationPlugin } from './daemon/authorization-plugin.ts';
import { baseDeviceSize } from './daemon/base-device-size.ts';
import { cgroupParent as daemonCgroupParent } from './daemon/cgroup-parent.ts';
import { contentTrust } from './daemon/content-trust.ts';
import { defaultUlimits } from './daemon/default-ulimits.ts';
import { experimental } from './daemon/experimental.ts';
import { icc } from './daemon/icc.ts';
import { insecureRegistries } from './daemon/insecure-registries.ts';
import { iptables } from './daemon/iptables.ts';
import { liveRestore } from './daemon/live-restore.ts';
import { logLevel as daemonLogLevel } from './daemon/log-level.ts';
import { noNewPrivileges as daemonNoNewPrivileges } from './daemon/no-new-privileges.ts';
import { pendingRestart } from './daemon/pending-restart.ts';
import { remoteLogging } from './daemon/remote-logging.ts';
import { rootless } from './daemon/rootless.ts';
import { seccompProfile } from './daemon/seccomp-profile.ts';
import { socketMembers } from './daemon/socket-members.ts';
import { stoppedContainers } from './daemon/stopped-containers.ts';
import { storageDriver } from './daemon/storage-driver.ts';
import { storageFileSystem } from './daemon/storage-file-system.ts';
import { supportedRelease } from './daemon/supported-release.ts';
import { swarm } from './daemon/swarm.ts';
import { unusedImages } from './daemon/unused-images.ts';
import { userlandProxy } from './daemon/userland-proxy.ts';
import { usernsRemap } from './daemon/userns-remap.ts';
import { FILE_CHECKS } from './file/file-checks.ts';
import { HOST_CHECKS } from './host/host-checks.ts';
import { HOST_LAYOUT_CHECKS } from './host/layout-checks.ts';
import { openPorts } from './host/open-ports.ts';
import { rootEquivalentGroups } from './host/root-equivalent-groups.ts';
import { addInstruction } from './image/add-instruction.ts';
import { approvedSource } from './image/approved-source.ts';
import { defaultUser } from './image/default-user.ts';
import { environmentSecret } from './image/environment-secret.ts';
import { healthcheck } from './image/healthcheck.ts';
import { historySecret } from './image/history-secret.ts';
import { packageIndexLayer } from './image/package-index-layer.ts';
import { packageSignatures } from './image/package-signatures.ts';
import { packages } from './image/packages.ts';
import { setuidFiles } from './image/setuid-files.ts';
import { signature } from './image/signature.ts';
import { tagMoved } from './image/tag-moved.ts';
import { vulnerabilities } from './image/vulnerabilities.ts';
import { apparmorProfiles } from './kernel/apparmor-profiles.ts';
import { aslr } from './kernel/aslr.ts';
import { bootParameters } from './kernel/boot-parameters.ts';
import { bpfJitHarden } from './kernel/bpf-jit-harden.ts';
import { cgroupVersion } from './kernel/cgroup-version.ts';
import { corePattern } from './kernel/core-pattern.ts';
import { cpuVulnerabilities } from './kernel/cpu-vulnerabilities.ts';
import { dmesgRestrict } from './kernel/dmesg-restrict.ts';
import { INTEGRITY_CHECKS } from './kernel/integrity-checks.ts';
import { ioUring } from './kernel/io-uring.ts';
import { kexecLoad } from './kernel/kexec-load.ts';
import { kptrRestrict } from './kernel/kptr-restrict.ts';
import { kubeletTunables } from './kernel/kubelet-tunables.ts';
import { landlock } from './kernel/landlock.ts';
import { lineDisciplineAutoload } from './kernel/line-discipline-autoload.ts';
import { lockdown } from './kernel/lockdown.ts';
import { mandatoryAccessControl } from './kernel/mandatory-access-control.ts';
import { mmapMinAddr } from './kernel/mmap-min-addr.ts';
import { moduleSignatures } from './kernel/module-signatures.ts';
import { modulesDisabled } from './kernel/modules-disabled.ts';
import { perfEventParanoid } from './kernel/perf-event-paranoid.ts';
import { protectedFiles } from './kernel/protected-files.ts';
import { protectedLinks } from './kernel/protected-links.ts';
import { routeLocalnet } from './kernel/route-localnet.ts';
import { seccomp } from './kernel/seccomp.ts';
import { secureBoot } from './kernel/secure-boot.ts';
import { selinuxEnforcing } from './kernel/selinux-enforcing.ts';
import { suidDumpable } from './kernel/suid-dumpable.ts';
import { sysrq } from './kernel/sysrq.ts';
import { tainted } from './kernel/tainted.ts';
import { terminalInjection } from './kernel/terminal-injection.ts';
import { unprivilegedBpf } from './kernel/unprivileged-bpf.ts';
import { userNamespaces } from './kernel/user-namespaces.ts';
import { userfaultfd } from './kernel/userfaultfd.ts';
import { yamaPtrace } from './kernel/yama-ptrace.ts';
import { anonymousAuth } from './kubelet/anonymous-auth.ts';
import { authorizationMode } from './kubelet/authorization-mode.ts';
import { cipherSuites } from './kubelet/cipher-suites.ts';
import { clientCa } from './kubelet/client-ca.ts';
import { clientCertificateRotation } from './kubelet/client-certificate-rotation.ts';
import { eventRate } from './kubelet/event-rate.ts';
import { garbageCollection } from './kubelet/garbage-collection.ts';
import { hostnameOverride } from './kubelet/hostname-override.ts';
import { iptablesChains } from './kubelet/iptables-chains.ts';
import { pendingRestart as kubeletPendingRestart } from './kubelet/pending-restart.ts';
import { kubeProxyMetrics } from './kubelet/kube-proxy-metrics.ts';
import { podPidsLimit } from './kubelet/pod-pids-limit.ts';
import { protectKernelDefaults } from './kubelet/protect-kernel-defaults.ts';
import { readOnlyPort } from './kubelet/read-only-port.ts';
import { seccompDefault } from './kubelet/seccomp-default.ts';
import { servingCertificateRotation } from './kubelet/serving-certificate-rotation.ts';
import { servingCertificate } from './kubelet/serving-certificate.ts';
import { sourceAddresses } from './kubelet/source-addresses.ts';
import { streamingIdleTimeout } from './kubelet/streaming-idle-timeout.ts';
import { unobserved } from './runtime/unobserved.ts';
import { acceptEnvironment } from './ssh/accept-environment.ts';
import { SSH_ACCESS_CHECKS } from './ssh/access-checks.ts';
import { clientAlive } from './ssh/client-alive.ts';
import { configurationLoads } from './ssh/configuration-loads.ts';
import { emptyPasswords } from './ssh/empty-passwords.ts';
import { forwarding } from './ssh/forwarding.ts';
import { hostBasedAuthentication } from './ssh/host-based-authentication.ts';
import { SSH_KEY_CHECKS } from './ssh/key-checks.ts';
import { keyboardInteractive } from './ssh/keyboard-interactive.ts';
import { knownVulnerabilities as sshKnownVulnerabilities } from './ssh/known-vulnerabilities.ts';
import { logLevel as sshLogLevel } from './ssh/log-level.ts';
import { loginGraceTime } from './ssh/login-grace-time.ts';
import { maxAuthTries } from './ssh/max-auth-tries.ts';
import { passwordAuthentication } from './ssh/password-authentication.ts';
import { pendingReload } from './ssh/pending-reload.ts';
import { permitUserEnvironment } from './ssh/permit-user-environment.ts';
import { rootLogin } from './ssh/root-login.ts';
import { strictModes } from './ssh/strict-modes.ts';
import { weakAlgorithms } from './ssh/weak-algorithms.ts';
import { x11Forwarding } from './ssh/x11-forwarding.ts';
import { autoLock as swarmAutoLock } from './swarm/auto-lock.ts';
import { certificateExpiry as swarmCertificateExpiry } from './swarm/certificate-expiry.ts';
import { dataPath as swarmDataPath } from './swarm/data-path.ts';
import { listenAddress as swarmListenAddress } from './swarm/listen-address.ts';
import { managerCount as swarmManagerCount } from './swarm/manager-count.ts';
import { overlayEncryption as swarmOverlayEncryption } from './swarm/overlay-encryption.ts';
import { rootCertificateAge as swarmRootCertificateAge } from './swarm/root-certificate-age.ts';
import { serviceSecrets as swarmServiceSecrets } from './swarm/service-secrets.ts';
import { unlockKeyRotation as swarmUnlockKeyRotation } from './swarm/unlock-key-rotation.ts';
import { dockerCertificateKey } from './tls/docker-certificate-key.ts';
import { dockerCertificateValidity } from './tls/docker-certificate-validity.ts';
import { dockerClientCert } from './tls/docker-client-cert.ts';
import { dockerProtocolVersion } from './tls/docker-protocol-version.ts';
import { FILE_CERTIFICATE_CHECKS } from './tls/file-certificate-checks.ts';
import { SERVICE_PORT_CHECKS } from './tls/service-checks.ts';

/** Every check, and every table of checks, by area. A test compares this list with the directory. */
const LISTED: readonly Check[] = [
  admitted,
  exemptNamespace,
  webhook,
  enrollment,
  resourceBudget,
  ...AUDIT_CHECKS,
  apparmor,
  capabilities,
  containerCgroupParent,
  cpuLimit,
  defaultBridge,
  devices,
  execPrivileged,
  execRoot,
  health,
  hostCgroupNamespace,
  hostIpc,
  hostNetwork,
  hostPid,
  hostUserNamespace,
  hostUts,
  imageCurrent,
  maskedPaths,
  memoryLimit,
  mountPropagation,
  containerNoNewPrivileges,
  pidsLimit,
  portBindAddress,
  privileged,
  privilegedPort,
  publishedPortsExposed,
  readOnlyRoot,
  restartPolicy,
  rootUser,
  runtimeSocket,
  seccompFilter,
  selinux,
  sensitiveMount,
  sshServer,
  ulimits,
  ...CONTAINERD_CHECKS,
  defaultRuntime,
  plugins,
  containerdKnownVulnerabilities,
  ...CRIO_CHECKS,
  authorizationPlugin,
  authorizationPluginBypass,
  baseDeviceSize,
  daemonCgroupParent,
  contentTrust,
  defaultUlimits,
  experimental,
  icc,
  insecureRegistries,
  iptables,
  liveRestore,
  daemonLogLevel,
  daemonNoNewPrivileges,
  pendingRestart,
  remoteLogging,
  rootless,
  seccompProfile,
  socketMembers,
  stoppedContainers,
  storageDriver,
  storageFileSystem,
  supportedRelease,
  swarm,
  unusedImages,
  userlandProxy,
  usernsRemap,
  ...FILE_CHECKS,
  ...HOST_CHECKS,
  ...HOST_LAYOUT_CHECKS,
  openPorts,
  rootEquivalentGroups,
  addInstruction,
  approvedSource,
  defaultUser,
  environmentSecret,
  healthcheck,
  historySecret,
  packageIndexLayer,
  packageSignatures,
  packages,
  setuidFiles,
  signature,
  tagMoved,
  vulnerabilities,
  ...INTEGRITY_CHECKS,
  apparmorProfiles,
  aslr,
  bootParameters,
  bpfJitHarden,
  cgroupVersion,
  corePattern,
  cpuVulnerabilities,
  dmesgRestrict,
  ioUring,
  kexecLoad,
  kptrRestrict,
  kubeletTunables,
  landlock,
  lineDisciplineAutoload,
  lockdown,
  mandatoryAccessControl,
  mmapMinAddr,
  moduleSignatures,
  modulesDisabled,
  perfEventParanoid,
  protectedFiles,
  protectedLinks,
  routeLocalnet,
  seccomp,
  secureBoot,
  selinuxEnforcing,
  suidDumpable,
  sysrq,
  tainted,
  terminalInjection,
  unprivilegedBpf,
  userNamespaces,
  userfaultfd,
  yamaPtrace,
  anonymousAuth,
  authorizationMode,
  cipherSuites,
  clientCa,
  clientCertificateRotation,
  eventRate,
  garbageCollection,
  hostnameOverride,
  iptablesChains,
  kubeProxyMetrics,
  kubeletPendingRestart,
  podPidsLimit,
  protectKernelDefaults,
  readOnlyPort,
  seccompDefault,
  servingCertificate,
  servingCertificateRotation,
  sourceAddresses,
  streamingIdleTimeout,
  unobserved,
  ...SSH_ACCESS_CHECKS,
  ...SSH_KEY_CHECKS,
  acceptEnvironment,
  clientAlive,
  configurationLoads,
  emptyPasswords,
  forwarding,
  hostBasedAuthentication,
  keyboardInteractive,
  sshKnownVulnerabilities,
  sshLogLevel,
  loginGraceTime,
  maxAuthTries,
  passwordAuthentication,
  pendingReload,
  permitUserEnvironment,
  rootLogin,
  strictModes,
  weakAlgorithms,
  x11Forwarding,
  swarmAutoLock,
  swarmCertificateExpiry,
  swarmDataPath,
  swarmListenAddress,
  swarmManagerCount,
  swarmOverlayEncryption,
  swarmRootCertificateAge,
  swarmServiceSecrets,
  swarmUnlockKeyRotation,
  ...FILE_CERTIFICATE_CHECKS,
  dockerCertificateKey,
  dockerCertificateValidity,
  dockerClientCert,
  dockerProtocolVersion,
  ...SERVICE_PORT_CHECKS,
];

/** Every check, sorted by id. */
export const CHECKS: readonly Check[] = Object.freeze(LISTED.toSorted((one, other) => (one.id < other.id ? -1 : 1)));

const COLLECTOR_SUBJECTS: ReadonlySet<Check['judges']> = new Set([
  'imageTags',
  'imageRules',
  'cluster',
  'admittedContainer',
]);

/** The checks whose findings the collector itself makes about nodes with an agent. No finding of an agent has their ids. */
export const COLLECTOR_CHECK_IDS: ReadonlySet<string> = new Set(
  CHECKS.filter(({ judges }) => COLLECTOR_SUBJECTS.has(judges)).map(({ id }) => id),
);
