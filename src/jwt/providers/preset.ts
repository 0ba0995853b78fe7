import type { Claims } from '../claims.ts';
import { isSecureUrl } from '../secure-url.ts';
import { type Provider, type ProviderFacts, type ProviderOptions, toProvider } from '../provider.ts';
import { refuseUnknownOptions } from '../refuse-unknown-options.ts';

/** What every preset takes besides its own options. */
export interface PresetOptions extends Pick<
  ProviderOptions,
  'algorithms' | 'roles' | 'roleFrom' | 'organizationClaim' | 'roleClaim' | 'maxLifetimeSeconds' | 'name'
> {
  /**
   * Where the key set is fetched instead: a proxy, or the provider's address inside your network when its public one
   * is another. https, or http on a loopback address. What tokens must say does not change with it.
   */
  readonly jwksUrl?: string | URL | undefined;
}

/** What is known of a provider once its parameters are: all of it data, read by {@link fromPreset}. */
export interface Preset extends ProviderFacts {
  readonly jwksUrl: string;
  readonly issuers: readonly string[];
  /** `null`: its tokens have no `aud`, or one that says nothing; a rule asks for something else. */
  readonly audiences: readonly string[] | null;
}

const commonOptionNames = [
  'algorithms',
  'roles',
  'roleFrom',
  'organizationClaim',
  'roleClaim',
  'maxLifetimeSeconds',
  'name',
] as const;

/** Refuses options that neither the preset nor {@link PresetOptions} has; `caller` is the function that messages name. */
export function checkOptionNames(caller: string, options: unknown, own: readonly string[]): void {
  refuseUnknownOptions(caller, options, [...own, ...commonOptionNames, 'jwksUrl']);
}

/** @throws {TypeError} naming the option that is wrong */
export function fromPreset<C extends Claims>(
  caller: string,
  options: PresetOptions,
  preset: Preset,
): Provider<C> {
  const jwksUrl = toKeySetUrl(caller, options.jwksUrl ?? preset.jwksUrl);
  return toProvider(caller, { jwksUrl }, toProviderOptions(options, preset), preset);
}

/** The options of a preset as those of any provider. */
export function toProviderOptions(
  options: PresetOptions,
  { issuers, audiences }: Pick<Preset, 'issuers' | 'audiences'>,
): ProviderOptions {
  const common = {
    ...Object.fromEntries(commonOptionNames.map((name) => [name, options[name]])),
    issuer: issuers,
  };
  return audiences === null ? common : { ...common, audience: audiences };
}

function toKeySetUrl(caller: string, url: string | URL): URL {
  const isText = typeof url === 'string' && URL.canParse(url);
  if (!isText && !(url instanceof URL)) {
    throw new TypeError(`${caller}(): "jwksUrl" must be an absolute URL`);
  }
  const parsed = new URL(url);
  if (!isSecureUrl(parsed) || parsed.username !== '' || parsed.password !== '') {
    throw new TypeError(
      `${caller}(): "jwksUrl" must be https without credentials; http is for loopback addresses only`,
    );
  }
  return parsed;
}
