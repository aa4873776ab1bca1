/** One version of an object, or the mark that it was deleted. */
export interface ObjectVersion {
  key: string;
  version_id: string;
  isDeletion: boolean;
  /** As the store says, RFC 3339. */
  modified: string;
}

export interface VersionsPage {
  versions: ObjectVersion[];
  /** Where the next page begins, or undefined after the last. */
  next: { key: string; version: string } | undefined;
}

/**
 * Reads a `ListVersionsResult` asked for with `encoding-type=url`. Looks for the elements it knows, which the protocol
 * does not nest in themselves; not intended to be a reader of XML.
 *
 * @returns undefined where it is no such list.
 */
export function parseVersions(xml: string): VersionsPage | undefined {
  const list = /<ListVersionsResult[\s>]([\s\S]*)<\/ListVersionsResult>/.exec(xml)?.[1];
  if (list === undefined) return undefined;
  const versions: ObjectVersion[] = [];
  for (const [, element, body] of list.matchAll(/<(Version|DeleteMarker)>([\s\S]*?)<\/\1>/g)) {
    const [key, version_id, modified] = ['Key', 'VersionId', 'LastModified'].map((name) =>
      field(body!, name),
    );
    if (key === undefined || version_id === undefined || modified === undefined) return undefined;
    versions.push({ key: decode(key), version_id, isDeletion: element === 'DeleteMarker', modified });
  }
  const around = list.replace(/<(Version|DeleteMarker)>[\s\S]*?<\/\1>/g, '');
  if (field(around, 'IsTruncated') !== 'true') return { versions, next: undefined };
  const key = field(around, 'NextKeyMarker');
  if (key === undefined) return undefined;
  return { versions, next: { key: decode(key), version: field(around, 'NextVersionIdMarker') ?? '' } };
}

/** Of an error's body the two fields that quote nothing of the request. */
export function errorIn(xml: string): string {
  return [field(xml, 'Code'), field(xml, 'Message')].filter((each) => each !== undefined).join(': ');
}

function field(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return text?.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => ENTITIES[entity]!);
}

const ENTITIES: { [name: string]: string } = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

/** Some stores encode nothing, whatever they are asked: what does not decode stands for itself. */
function decode(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return key;
  }
}
