import { expect, it } from 'vitest';
import { Gate } from '../../src/server/gate.ts';

const later = () => {
  let done = () => {};
  const when = new Promise<void>((resolve) => {
    done = resolve;
  });
  return { when, done };
};

it('lets work through side by side, but nobody beside who is alone', async () => {
  const gate = new Gate();
  const said: string[] = [];
  const [one, two] = [later(), later()];
  const first = gate.pass(async () => {
    said.push('one in');
    await one.when;
    said.push('one out');
  });
  const second = gate.pass(async () => {
    said.push('two in');
    await two.when;
    said.push('two out');
  });
  const alone = gate.alone(async () => {
    said.push('alone');
  });
  const third = gate.pass(async () => {
    said.push('three');
    return 3;
  });
  one.done();
  await first;
  expect(said).toEqual(['one in', 'two in', 'one out']);
  two.done();
  await Promise.all([second, alone]);
  expect(await third).toBe(3);
  expect(said.slice(3)).toEqual(['two out', 'alone', 'three']);
});

it('opens again after what failed, inside or alone', async () => {
  const gate = new Gate();
  const fails = async () => {
    throw new Error('no');
  };
  await expect(gate.pass(fails)).rejects.toThrow('no');
  await expect(gate.alone(fails)).rejects.toThrow('no');
  await Promise.all([gate.alone(async () => {}), gate.alone(async () => {})]);
  expect(await gate.pass(async () => 'through')).toBe('through');
});
