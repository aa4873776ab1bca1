import { eachMatch, endOf, type Hit } from './hits.ts';
import { eachWord, LABEL, markWords, SIGN, TITLE, type Traits } from './traits.ts';

markWords('mr ms mx mis dr', TITLE);

/** A word of a name as people write theirs, and further ones. */
const WORD = "\\p{Lu}[\\p{L}'’-]{0,31}\\.?";
const MORE = `(?:,? (?:(?:van|von|de|der|den|del|della|di|da|dos|bin|ibn|al|el|la|le|ten|ter|zu) ){0,2}${WORD})`;
const HONORIFIC = '(?:(?:Mr|Mrs|Ms|Mx|Miss|Dr)\\.? )?';

/** Mrs. Roe; Oak Dr is a street. */
const TITLED = new RegExp(
  `(?<![\\p{L}\\d'-])(?:(?:Mr|Mrs|Ms|Mx|Miss)\\.?|Dr\\.|(?<!\\p{Lu}\\p{L}{1,30} )Dr) (${WORD}(?: ${WORD}){0,2})`,
  'gu',
);
/** Jane Roe (DOB …, and Jane Roe, MRN … */
const BEFORE_NUMBER = new RegExp(
  `(?<![\\p{L}\\d'-])((?:${WORD},? ){1,3}${WORD})(?=(?:, ?| ?\\()(?:DOB|D\\.O\\.B|born|SSN|MRN)(?!\\p{L})| DOB:? ?\\d)`,
  'gu',
);
const NUMBER_OF_PERSON = /DOB|D\.O\.B|born|SSN|MRN/y;
/** Patient: Jane Roe, and Name: Roe, Jane */
const LABELLED = new RegExp(
  `(?:(?<![\\p{L}\\d_][ \\t]?|-)([Nn]ame|NAME)|(?<![\\p{L}\\d_-])(\\p{L}{2,20}))\\*{0,2}[ \\t]{0,2}[:=][ \\t]{0,4}(${HONORIFIC}${WORD}${MORE}{1,3})`,
  'gu',
);
/** Whoever is called so is a firm, a desk or nobody. */
const NO_NAMES =
  /(?<!\p{L})(?:Inc|Corp|Corporation|Ltd|LLC|GmbH|Company|Support|Services?|Team|Department|Desk|Agents?|Admin|System|Server|Not|No|Unknown|None|Records?|ID|Portal|API)(?!\p{L})/u;

/** Finds names of people by the words beside them: nothing else tells a name from other words. */
export function findNames(
  text: string,
  hits: Hit[],
  traits: Traits,
  isPerson: (noun: string) => boolean,
): void {
  const hit = (start: number, name: string) => {
    hits.push({ start, end: start + name.length, kind: 'patient_name', rule: 'label' });
  };
  const atEnd = ({ 0: match, index }: RegExpExecArray, name: string) =>
    hit(index + match.length - name.length, name);
  if (traits.found & TITLE) {
    eachMatch(TITLED, text, (match) => {
      atEnd(match, match[1]!);
      return undefined;
    });
  }
  let isNumbered = false;
  eachWord(text, traits, LABEL, (at) => {
    isNumbered ||= endOf(NUMBER_OF_PERSON, text, at) > at;
    return at;
  });
  if (isNumbered) {
    eachMatch(BEFORE_NUMBER, text, ({ 1: said, index }) => {
      // What the person is may stand before the name.
      const noun = /^\p{L}+ /u.exec(said!)?.[0] ?? '';
      const from = isPerson(noun) ? noun.length : 0;
      if (said!.indexOf(' ', from) > 0) hit(index + from, said!.slice(from));
      return undefined;
    });
  }
  if ((traits.found & SIGN) === 0 || !/[:=][ \t]{0,4}[A-Z\u0080-\uffff]/.test(text)) return;
  eachMatch(LABELLED, text, (match) => {
    const [, label, noun, name] = match;
    if ((label !== undefined || isPerson(noun!)) && !NO_NAMES.test(name!)) atEnd(match, name!);
    // A name in a line may be the label of the next.
    else return match.index + (label ?? noun!).length;
    return undefined;
  });
}
