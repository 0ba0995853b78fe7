import { afterAll, beforeAll, expect, it } from 'vitest';

import { attacks } from '../../src/attacks/attacks.ts';
import { handwritten } from '../../src/attacks/handwritten.ts';
import type { Gateway } from '../../src/gateway/index.ts';
import { startGateway } from '../support/gateway.ts';
import { createIssuer } from '../support/issuer.ts';
import { attackAll, idsOf } from './attack-all.ts';
import { gatewayOverHttp, nodePostgres, type Served } from './footholds.ts';
import {
  createHandwrittenGround,
  createSealedGround,
  loginNames,
  roleSetBy,
  type SealedGround,
} from './ground.ts';
import { mixUps, mixUpsOf } from './mix-ups.ts';

// By one driver and one way into the gateway; by all of them in the other file here.

// A hundred and more connections each.
const timeout = 60_000;

let ground: SealedGround;
let served: Served;
let gateway: Gateway;

beforeAll(async () => {
  ground = await createSealedGround();
  served = { database: ground.database, issuer: await createIssuer() };
  gateway = await startGateway(served, { maxConnections: 1 });
});

afterAll(async () => {
  await gateway.close();
  await ground.close();
});

it(
  'each succeeds against the pattern that is written by hand, or it would prove nothing',
  async () => {
    const byHand = await createHandwrittenGround();
    try {
      let standing = attacks;
      for (const login of loginNames) {
        await byHand.watchAs(login);
        const fell = await attackAll(standing, byHand, () =>
          Promise.resolve(handwritten(byHand.logins[login], { role: roleSetBy(login) })),
        );
        standing = standing.filter(({ id }) => !fell.includes(id));
      }
      expect(standing.map(({ id }) => id)).toEqual([]);
    } finally {
      await byHand.close();
    }
  },
  timeout,
);

it(
  'succeed through $withAuth only where their tier says so',
  async () => {
    expect(await attackAll(attacks, ground, () => nodePostgres(served))).toEqual(
      idsOf('any-host', 'gateway', 'harden', 'superuser'),
    );
  },
  timeout,
);

it(
  'succeed through the gateway only where their tier says so',
  async () => {
    expect(await attackAll(attacks, ground, () => gatewayOverHttp(served, gateway))).toEqual(
      idsOf('any-host'),
    );
  },
  timeout,
);

it('tokens of two people are mixed up by the $withAuth of Drizzle, and not by ours', async () => {
  const happenedWith = (whose: 'drizzle' | 'ours') =>
    mixUpsOf(whose, served, gateway, () => ground.restoreRows());
  expect(await happenedWith('drizzle')).toEqual(mixUps.map(({ id }) => id));
  expect(await happenedWith('ours')).toEqual([]);
});
