import type { Part } from './hits.ts';

/** Commands whose `-p`, `-w`, `-a` or `-P` is a password; of others, it is a port, or a path. */
const WITH_PASSWORD =
  'sshpass|mysql\\w{0,10}|mariadb\\w{0,8}|mongo\\w{0,8}|redis-cli|sqlcmd|cqlsh|influx|ldap\\w{1,10}|smbclient|xfreerdp|rabbitmqadmin|mosquitto_\\w{3}|7z|zip|unzip|(?:docker|podman|nerdctl|buildah|skopeo|registry|az|oc|argocd)\\s{1,4}login';

/** `sshpass -p hunter2`, `docker login -u jane -p hunter2`, `mysql -phunter2` */
export const PASSWORD_OPTION = new RegExp(
  `(?<![\\w./-])(?:${WITH_PASSWORD})(?![\\w-])[^\\n|;&]{0,200}?\\s-(?:[pwa]|P(?!\\s?\\d{1,5}(?!\\w)))[ =]{0,2}["']?[^\\s"'*=-][^\\s"']{0,255}`,
  'g',
);

/** `curl -u jane:hunter2` */
export const USER_OPTION =
  /(?<![\w-])-(?:u|a|-user|-proxy-user|-auth)(?:[ \t]{1,2}|=)["']?[^\s:"'=*-][^\s:"']{0,63}:(?!\/\/)[^\s"']{1,256}/g;

/** Of a match, its last word, without the option where that is a part of it. */
export function passwordIn(match: string): Part[] {
  const [, value] = /\s-\w[ =]{0,2}["']?([^\s"']*)$/.exec(match) as unknown as [string, string];
  return [{ start: match.length - value.length, end: match.length }];
}

/** Not the numbers of a user and a group. */
export function credentialsIn(match: string): Part[] {
  const said = match.replace(/^--?(?:user|proxy-user|auth|u|a)[ \t=]*["']?/, '');
  return /^(\w+):(?:\d+|\1)$/.test(said) && !/^[A-Za-z]\w*:\d+$/.test(said)
    ? []
    : [{ start: match.length - said.length, end: match.length }];
}

/** In the words of a command, whether an option is followed by a password, or by a user and one. */
export function namesPassword(words: readonly unknown[], i: number): boolean {
  const [option, value] = [words[i - 1], words[i]];
  if (typeof option !== 'string' || typeof value !== 'string' || !/^--?\w/.test(option)) return false;
  // Of a list that holds other things too, only its words: not everything can be made a text.
  const first = words.slice(0, 4).filter((word) => typeof word === 'string');
  const line = `${first.join(' ').slice(0, 100)} ${option} ${value.slice(0, 100)}`;
  return [USER_OPTION, PASSWORD_OPTION].some((expression) => line.search(expression) >= 0);
}
