/** The outbox on real SQL: nothing that was committed is missing, nothing is there twice, whatever fails in between. */

import { PGlite } from '@electric-sql/pglite'
import { waitFor } from '@millrace/testing'
import sqlite from 'node-sqlite3-wasm'
import { afterEach, describe, expect, it } from 'vitest'
import { nodeClock } from '../clock.ts'
import { EmbeddedBackend } from '../embedded/embedded-backend.ts'
import { type OutboxEvent, OutboxRelay, type OutboxRow, type OutboxSource } from './outbox.ts'

interface Order {
  readonly item: string
}

/** A database with an outbox, and how a program writes to it. */
interface Shop extends OutboxSource<Order> {
  order(id: string, item: string): Promise<void>
  unsentCount(): Promise<number>
  close(): Promise<void>
}

const table =
  'CREATE TABLE outbox (seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, item TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0)'

async function sqliteShop(): Promise<Shop> {
  const db = new sqlite.Database()
  db.run(table)
  return {
    order: async (id, item) => void db.run('INSERT INTO outbox (id, item) VALUES (?, ?)', [id, item]),
    unsent: async (limit) =>
      db
        .all('SELECT id, item FROM outbox WHERE sent = 0 ORDER BY seq LIMIT ?', [limit])
        .map((row): OutboxRow<Order> => ({ id: String(row['id']), value: { item: String(row['item']) } })),
    markSent: async (ids) => {
      for (const id of ids) db.run('UPDATE outbox SET sent = 1 WHERE id = ?', [id])
    },
    unsentCount: async () => Number(db.get('SELECT count(*) AS n FROM outbox WHERE sent = 0')?.['n']),
    close: async () => db.close(),
  }
}

async function postgresShop(): Promise<Shop> {
  const db = await PGlite.create()
  await db.exec(table.replace('INTEGER PRIMARY KEY', 'SERIAL PRIMARY KEY'))
  return {
    order: async (id, item) => void (await db.query('INSERT INTO outbox (id, item) VALUES ($1, $2)', [id, item])),
    unsent: async (limit) => {
      const sql = 'SELECT id, item FROM outbox WHERE sent = 0 ORDER BY seq LIMIT $1'
      const { rows } = await db.query<{ id: string; item: string }>(sql, [limit])
      return rows.map(({ id, item }) => ({ id, value: { item } }))
    },
    markSent: async (ids) => void (await db.query('UPDATE outbox SET sent = 1 WHERE id = ANY($1)', [[...ids]])),
    unsentCount: async () => {
      const { rows } = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM outbox WHERE sent = 0')
      return rows[0]!.n
    },
    close: async () => await db.close(),
  }
}

const ends: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

describe.each([
  ['SQLite', sqliteShop],
  ['PostgreSQL', postgresShop],
] as const)('an outbox in %s', (_, createShop) => {
  async function parts(): Promise<{ shop: Shop; backend: EmbeddedBackend; added: () => Promise<string[]> }> {
    const shop = await createShop()
    const backend = new EmbeddedBackend()
    ends.push(
      async () => await shop.close(),
      async () => await backend.close(),
    )
    const added = async (): Promise<string[]> =>
      (await backend.range('orders')).map((entry) => Buffer.from(entry.fields[1]!).toString())
    return { shop, backend, added }
  }

  function relay(
    backend: EmbeddedBackend,
    source: OutboxSource<Order>,
    options: { afterAdd?: () => void; batch?: number; leaseMs?: number } = {},
  ): { relay: OutboxRelay<Order>; events: OutboxEvent[] } {
    const { afterAdd, ...rest } = options
    const events: OutboxEvent[] = []
    const target = {
      name: 'orders',
      add: async (value: Order, { key }: { readonly key: string }) => {
        await backend.add('orders', ['item', value.item], { once: { key } })
        afterAdd?.()
      },
    }
    const site = { backend, clock: nodeClock }
    const made = new OutboxRelay(site, { source, target }, { pollMs: 20, onEvent: (e) => events.push(e), ...rest })
    ends.push(async () => await made.stop())
    return { relay: made, events }
  }

  it('brings every row to the stream once and in order', async () => {
    const { shop, backend, added } = await parts()
    for (let n = 0; n < 25; n++) await shop.order(`o-${n}`, `item ${n}`)
    const { relay: made } = relay(backend, shop, { batch: 10 })
    await waitFor(async () => (await shop.unsentCount()) === 0, { what: 'the rows to be relayed' })
    await shop.order('o-25', 'item 25')
    made.wake()
    await waitFor(async () => (await shop.unsentCount()) === 0, { what: 'the last row to be relayed' })
    expect(await added()).toEqual(Array.from({ length: 26 }, (_, n) => `item ${n}`))
  })

  it('adds nothing twice when it fails between adding and marking', async () => {
    const { shop, backend, added } = await parts()
    for (let n = 0; n < 10; n++) await shop.order(`o-${n}`, `item ${n}`)
    let failures = 3
    const failing: OutboxSource<Order> = {
      unsent: async (limit) => await shop.unsent(limit),
      markSent: async (ids) => {
        if (failures-- > 0) throw new Error('the database is away')
        await shop.markSent(ids)
      },
    }
    const { events } = relay(backend, failing)
    await waitFor(async () => (await shop.unsentCount()) === 0, { what: 'the rows to be relayed' })
    expect(events.filter((event) => event.type === 'error')).toHaveLength(3)
    expect(await added()).toEqual(Array.from({ length: 10 }, (_, n) => `item ${n}`))
  })

  it('is relayed by one of several, and by another when that one stops', async () => {
    const { shop, backend, added } = await parts()
    const first = relay(backend, shop)
    await shop.order('o-0', 'item 0')
    await waitFor(async () => first.events.length > 0, { what: 'the first relay to work' })
    const second = relay(backend, shop)
    await shop.order('o-1', 'item 1')
    await waitFor(async () => (await shop.unsentCount()) === 0, { what: 'the second row to be relayed' })
    expect(second.events).toEqual([])
    await first.relay.stop()
    await shop.order('o-2', 'item 2')
    await waitFor(async () => (await shop.unsentCount()) === 0, { what: 'the third row to be relayed' })
    expect(second.events).toEqual([{ type: 'relayed', ids: ['o-2'] }])
    expect(await added()).toEqual(['item 0', 'item 1', 'item 2'])
  })
})
