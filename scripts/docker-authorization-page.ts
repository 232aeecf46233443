import { builtInPolicy, containerPolicySpec } from '../policy/docker/container-policy.ts';
import { OPERATIONS } from '../policy/docker/routes.ts';
import { fieldTable } from './policy-page.ts';

const SETUP = `Whoever can send requests to dockerd is root on the host: one container with \`-v /:/host\` is enough. \`plimsoll authz\` is an [authorization plugin](https://docs.docker.com/engine/extend/plugins_authorization/): dockerd asks it before each request, and performs only what it allows.

## Set up

1. Install Plimsoll as \`/usr/local/bin/plimsoll\`, and Node.js, where only root can write.
2. Copy \`plimsoll-authz.socket\` and \`plimsoll-authz.service\` from \`manifests/systemd\` to \`/etc/systemd/system\`.
3. Write a policy, first in \`mode: observe\`, and check it:

   \`\`\`sh
   mkdir -p /etc/plimsoll
   cat > /etc/plimsoll/container-policy.yaml <<'EOF'
   apiVersion: plimsoll.dev/v1
   kind: ContainerPolicy
   metadata: { name: default }
   spec:
     mode: observe
   EOF
   plimsoll authz check /etc/plimsoll/container-policy.yaml
   echo PLIMSOLL_CONTAINER_POLICY=/etc/plimsoll/container-policy.yaml > /etc/plimsoll/authz.env
   \`\`\`

4. Start the socket, before you configure the plugin: dockerd does not start with a plugin that it cannot find.

   \`\`\`sh
   systemctl daemon-reload
   systemctl enable --now plimsoll-authz.socket
   \`\`\`

5. Add \`"authorization-plugins": ["plimsoll"]\` to \`/etc/docker/daemon.json\` and restart dockerd: \`systemctl restart docker\`. Do not set \`--authorization-plugin\` as well.
6. Test it: \`docker version\` answers, and \`journalctl -u plimsoll-authz\` shows what would be refused. Then set \`mode: enforce\`; the file is read again within seconds.

To remove the plugin, remove it from \`daemon.json\`, restart dockerd, and disable the socket.

## Policies

A policy file is YAML of at most 256 KiB with one or several documents. Only root may be able to write to it and its directory. A file that becomes wrong is reported, and the policies before stay in force; at a start with a wrong file only reads are allowed. Without a policy file, the built-in policy is in force: it allows what the Pod Security level \`baseline\` allows, publishing ports, and adding the capabilities that Docker gives every container anyway (\`NET_RAW\` among them).

\`\`\`yaml
apiVersion: plimsoll.dev/v1
kind: ContainerPolicy
metadata: { name: default }
spec:
  mode: enforce
  hostPaths: [{ path: /srv/data, readOnly: true }]
---
apiVersion: plimsoll.dev/v1
kind: ContainerPolicy
metadata: { name: ci }
spec:
  match: { clients: ['ci-*'] }
  operations: [attach, build, copy, exec, import]
  capabilities: ['CHOWN', 'SETUID', 'SETGID']
\`\`\`

dockerd knows who a client is only with TLS (\`--tlsverify\`): then \`match.clients\` is compared with the common name of its certificate. A request on the unix socket has no name; only the pattern \`*\` is for it. Of the policies that match a client, the most specific decides alone; two that are equally specific are an error. A client that no policy matches is refused.

\`*\` and \`?\` are wildcards in lists, except in \`hostPaths\`. A list replaces its default; \`plimsoll authz check -o json\` prints the built-in policy with every default.`;

const JUDGED = `## What is judged

| request | judged |
|---|---|
| \`POST /containers/create\` | every field of \`HostConfig\`, also at the top level, where engines up to 26 read it; the image; mounts; networks |
| \`POST /containers/{name}/exec\` | \`Privileged\` |
| \`POST /containers/{name}/update\` | every field |
| \`POST /containers/{name}/start\` | a body is refused (a \`HostConfig\` until API 1.23), and a checkpoint |
| \`POST /volumes/create\`, volumes within a container | the driver, and options of the local driver: \`o=bind\` is a mount of a host path |
| \`POST /networks/create\` | the driver |
| \`POST /networks/{name}/connect\` | sysctls of the interface (\`com.docker.network.endpoint.sysctls\`), as in containers and services |
| \`POST /services/create\` and \`update\` | image, mounts, capabilities, sysctls, privileges, network |
| \`POST /images/create\` | image policies; an import needs the operation \`import\` |
| a group of calls (\`operations\`) | allowed or not; their content is not judged |
| reads, and calls of no group such as \`stop\` or \`rm\` | allowed |

What is not understood is refused: a path that is not plain or not known, a field that this version does not know, JSON with a key that occurs twice without regard to case, a body above 1 MiB or one that dockerd does not show. The client reads each reason and what to do about it.

## Images

With \`policy-snapshot\`, image policies decide on the image of each container, and on pulls, from the signed snapshot of the collector on the disk of the host; the network is never asked. A snapshot that is not signed by the collector, or older than one before, is not used; the one before stays in force, and verdicts in it expire by their own time. Without any snapshot no container is created, unless its policy says \`images.judge: false\`.

The host gets the snapshot from the collector ([policy-snapshot.md](policy-snapshot.md)) by \`plimsoll authz fetch\`, every ten seconds where it has changed. It is a process of its own, so that the one that decides needs no network; \`plimsoll-authz-fetch.service\` in \`manifests/systemd\` runs it:

\`\`\`sh
# on the collector
plimsoll token create --name docker-hosts --role viewer --scope policy
# on the host: the token, the key of the collector (key.pub beside its snapshot), and the authority of its certificate
install -m 600 token /etc/plimsoll/policy-token
install -m 644 key.pub /etc/plimsoll/policy-snapshot.pub
install -m 644 ca.pem /etc/plimsoll/ca.pem
cat >> /etc/plimsoll/authz.env <<'EOF'
PLIMSOLL_POLICY_SNAPSHOT=/var/lib/plimsoll-policy
PLIMSOLL_POLICY_SNAPSHOT_COLLECTOR=collector.example.com:7480
PLIMSOLL_POLICY_SNAPSHOT_CA=/etc/plimsoll/ca.pem
EOF
systemctl enable --now plimsoll-authz-fetch && systemctl restart plimsoll-authz
\`\`\`

While the collector is away, however long, the snapshot on disk decides, also after a restart. A snapshot that was stored in part has no valid signature, and the one before stays in force.

With \`PLIMSOLL_CONTAINER_POLICY=snapshot\` the container policies come from the snapshot too: put them beside the image policies of the collector (setting \`policies\`), and every host gets them. Until the first snapshot, and where it holds no ContainerPolicy, only reads are allowed.

**Name images by digest** (\`NAME@sha256:…\`). What a tag means on a host, only dockerd knows, and dockerd waits for the plugin while it decides: it cannot be asked. A tag can have been set by \`docker tag\`, \`load\`, \`build\` or \`commit\`. A digest cannot: it is the hash of the content. \`images.withoutDigest: allow\` lets tags pass that no rule on registry or reference refuses, and proves nothing about them. Pulls by tag are allowed where the registry is.

## Availability

- A decision takes no input or output, and the plugin answers within 2 seconds. If a request cannot be read in that time, it is refused.
- systemd holds the socket: while the service restarts, requests of dockerd wait for it.
- While the socket is gone, dockerd tries for about 15 seconds and then refuses each request, reads as well. Running containers are not affected.
- dockerd waits without limit for a plugin that does not answer, such as one that hangs or is stopped (SIGSTOP). The unit has a watchdog: systemd kills a plugin that has not answered for ten seconds, and starts the next. A request that waited is then answered by the next one, or fails; it is never performed unjudged. Without systemd, kill the process yourself.
- Do not run the plugin as a container of the same dockerd: it could not start before dockerd.

## Events

Each refused request is logged with operation, client, policy and reasons, without its content. \`authz-events\` is a file to which it is appended as OCSF Detection Finding (class 2004), rotated by size; point your log shipper to it. Beyond 10 in a second after the first 100, denials are counted only; the next event says how many were left out.

With \`report-collector\` they are also reported to the collector: its sinks ship them, and \`plimsoll denials\` lists them. They wait in \`<data-dir>/reports\` while it does not answer, at most 32 MiB. A decision never waits for a report. The token comes from \`plimsoll token create --name HOST --role operator --scope report\`. The service of the manifests has no network; give it the address of the collector alone in \`/etc/systemd/system/plimsoll-authz.service.d/report.conf\`:

\`\`\`ini
[Service]
PrivateNetwork=no
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
IPAddressAllow=192.0.2.10
Environment=PLIMSOLL_REPORT_COLLECTOR=192.0.2.10:7480 PLIMSOLL_REPORT_CA=/etc/plimsoll/fleet-ca.pem
LoadCredential=report-token:/etc/plimsoll/report-token
Environment=PLIMSOLL_REPORT_TOKEN_FILE=%d/report-token
\`\`\`

## Limits

- Root on the host, and whoever reaches the socket of containerd, need no dockerd.
- Without \`CgroupnsMode\` a container gets the default of dockerd. On a host with cgroup v1 that is the cgroup namespace of the host, so the plugin, which reads the version of the host, demands \`private\` there (\`docker run --cgroupns=private\`) unless \`allowHostNamespaces\` has \`cgroup\`; services of a swarm cannot set it. A default that dockerd's own configuration changes (\`default-cgroupns-mode\`, \`default-runtime\`, \`default-ulimits\`) is a decision of the administrator and not judged.
- A negative \`OomScoreAdj\` needs the capability \`SYS_RESOURCE\` in the policy, and the limits \`rtprio\` and \`nice\` need \`SYS_NICE\`, as a process needs them to do the same itself.
- buildx, where it may not build in dockerd, starts a builder as a privileged container, which is refused. Whoever may \`exec\` into a builder that exists builds with it.
- dockerd hides the body of builds (also BuildKit: \`/session\`, \`/grpc\`), archives and streams from plugins. \`build\`, \`import\` and \`copy\` are therefore allowed or refused as a whole. A build can use the network of the host.
- \`hostPaths\` are compared as text. Below a directory with \`/**\`, whoever can create a symbolic link there can mount any other path of the host.
- A mount that is read-only covers what is mounted below it only with Docker 25 and Linux 5.12 or newer. \`readOnly\` refuses API versions before 1.44, where it never does.
- Containers, volumes and networks that existed before are not judged again: a container that was created with privileges can be started, a volume that was created with options can be mounted. Remove those that should not be used.
- \`exec\` into a container that has privileges gives these privileges.
- A swarm starts containers on other nodes without asking their plugins. Leave \`services\` and \`swarm\` out of \`operations\`.
- Engines without the fixes of CVE-2024-41110 and CVE-2026-34040 keep some bodies from plugins. The plugin refuses requests whose body is missing; update the engine nevertheless.
- With \`mode: warn\` and \`observe\` everything passes.`;

/** `docs/docker-authorization.md`. */
export function dockerAuthorizationPage(generated: string): string {
  const allowed = new Set<string>(builtInPolicy().operations);
  const operations = Object.entries(OPERATIONS).map(
    ([name, meaning]) => `| \`${name}\` | ${meaning} | ${allowed.has(name) ? 'yes' : 'no'} |`,
  );
  return [
    '# Docker authorization',
    generated,
    SETUP,
    '### Fields of spec',
    fieldTable(containerPolicySpec.shape),
    '### Operations',
    ['| operation | calls | allowed by default |', '|---|---|---|', ...operations].join('\n'),
    JUDGED,
  ].join('\n\n');
}
