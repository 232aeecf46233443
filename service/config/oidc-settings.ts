import { httpsUrlOrOff, integer, path, pathOr, roleMappings, text } from './kind.ts';
import type { DefaultContext, Program, SettingDefinition } from './setting.ts';

const COLLECTOR = ['collector', 'up'] as const satisfies readonly Program[];

/** Settings of the identity provider: whose tokens the operator API accepts, and how `plimsoll login` gets one. */
export const OIDC_SETTINGS = {
  'oidc-issuer': {
    kind: httpsUrlOrOff(),
    default: 'off',
    description:
      'Issuer (OpenID Connect) whose tokens the operator API accepts as bearer tokens, and with which `plimsoll login` signs in, exactly as in the claim `iss`; `off`: operator tokens only.',
    programs: [...COLLECTOR, 'login'],
  },
  'oidc-audience': {
    kind: text(512),
    default: '',
    description: 'What the claim `aud` of these tokens must contain; often the client id. Needed with `oidc-issuer`.',
    programs: COLLECTOR,
  },
  'oidc-groups-claim': {
    kind: text(256),
    default: 'groups',
    description: 'Claim with the groups of a caller; dots name a member of an object, as in `realm_access.roles`.',
    programs: COLLECTOR,
  },
  'oidc-roles': {
    kind: roleMappings('viewer', 'operator', 'admin'),
    default: '',
    description:
      'Roles by group: `admin:platform,operator:sre,viewer:*`. The strongest role of the groups of a caller counts; `*` is everybody with a valid token. Needed with `oidc-issuer`.',
    programs: COLLECTOR,
  },
  'oidc-ca': {
    kind: pathOr('system'),
    default: 'system',
    description:
      'Authorities in PEM that may have signed the certificate of the issuer; `system`: those that this machine trusts.',
    programs: [...COLLECTOR, 'login'],
  },
  'oidc-client-id': {
    kind: text(256),
    default: '',
    description:
      'Client id of `plimsoll login` at the issuer: a public client, with the redirect URI `http://127.0.0.1/callback` or the device flow. Its ID tokens name it in `aud`, so it is the `oidc-audience` of the collector, which is the default.',
    programs: ['login'],
  },
  'oidc-scopes': {
    kind: text(512),
    default: '',
    description:
      'Scopes that `plimsoll login` asks for, with spaces between them. Empty: `openid`, and of `profile`, `email`, `groups` and `offline_access` those that the issuer lists.',
    programs: ['login'],
  },
  'oidc-redirect-port': {
    kind: integer(0, 65_535),
    default: '0',
    description:
      'Port on 127.0.0.1 to which the issuer sends the browser back; `0`: any free one, as RFC 8252 demands that issuers allow. Another number for an issuer that compares the whole redirect URI.',
    programs: ['login'],
  },
  'login-dir': {
    kind: path(),
    default: {
      from: ({ home, stateHome }: DefaultContext) =>
        `${stateHome.startsWith('/') ? stateHome : `${home}/.local/state`}/plimsoll/login`,
      text: '`$XDG_STATE_HOME/plimsoll/login` or `~/.local/state/plimsoll/login`',
    },
    description:
      'Directory for the tokens of `plimsoll login`, one file for each collector, readable by its owner only. Client commands use them unless `token-file` is set.',
    programs: ['login', 'client'],
  },
} satisfies Record<string, SettingDefinition<unknown>>;
