import type { Clock } from '../clock.ts';
import type { AnchorSettings } from '../config/anchors.ts';
import type { Anchor } from './anchor.ts';
import { credentialsFrom, credentialsIn } from './credentials.ts';
import { DirectoryAnchor } from './directory.ts';
import { S3Anchor } from './s3.ts';
import { TsaAnchor } from './tsa.ts';
import { type Consistency, WitnessAnchor } from './witness.ts';

export interface Surroundings {
  env: { readonly [name: string]: string | undefined };
  clock: Clock;
  /** Of the control chain: what a witness is shown. */
  consistency: Consistency;
}

/** The anchors of a deployment, in the order of its settings. Nothing is asked or read yet. */
export function openAnchors(settings: readonly AnchorSettings[], surroundings: Surroundings): Anchor[] {
  return settings.map((each) => openAnchor(each, surroundings));
}

function openAnchor(settings: AnchorSettings, { env, clock, consistency }: Surroundings): Anchor {
  switch (settings.kind) {
    case 'directory':
      return new DirectoryAnchor(settings);
    case 's3': {
      const { credentials_file, profile, path_style: pathStyle } = settings;
      const credentials = () =>
        credentials_file === undefined ? credentialsIn(env) : credentialsFrom(credentials_file, profile);
      return new S3Anchor({ ...settings, pathStyle, credentials, clock });
    }
    case 'tsa':
      return new TsaAnchor(settings);
    case 'witness':
      return new WitnessAnchor({ ...settings, consistency });
  }
}
