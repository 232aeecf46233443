/** A query to start from. */
export interface Example {
  readonly title: string;
  readonly expression: string;
}

/** Queries that show what can be asked. A test compiles each. */
export const EXAMPLES: readonly Example[] = Object.freeze([
  { title: 'Lockdown level of every kernel', expression: 'kernel.lockdown' },
  {
    title: 'Containers that run privileged',
    expression: 'containers.filter(c, c.declared.privileged).map(c, c.name)',
  },
  {
    title: 'A seccomp profile was declared, none is in force',
    expression:
      'containers.filter(c, c.declared.seccompProfile != "unconfined" && c.seccomp.mode == "disabled")\n' +
      '  .map(c, {"name": c.name, "image": c.image, "declared": c.declared.seccompProfile, "thread": c.seccomp.weakest})',
  },
  {
    title: 'Containers that run as root on the host',
    expression: 'containers.filter(c, c.uid == 0).map(c, {"name": c.name, "image": c.image, "user": c.declared.user})',
  },
  {
    title: 'Published ports and where they listen',
    expression:
      'containers.filter(c, size(c.declared.ports) > 0).map(c, {"name": c.name, "ports": c.declared.ports.map(p, p.hostIp + " " + p.containerPort)})',
  },
  {
    title: 'Docker daemon: security options and sockets',
    expression:
      '{"version": docker.api.version, "options": docker.api.securityOptions.map(o, o.name), "listeners": listeners.map(l, l.id)}',
  },
  { title: 'Kernel settings', expression: 'kernel.sysctls' },
  { title: 'What the agent could not read', expression: 'unread' },
]);
