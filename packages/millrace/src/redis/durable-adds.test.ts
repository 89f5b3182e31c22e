/** Appends that wait for replicas or the disk, on a real primary with a real replica. */

import { type RedisServer, startRedis, waitFor } from '@millrace/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RedisBackend } from './redis-backend.ts'

let primary: RedisServer
let replica: RedisServer
let backend: RedisBackend
let admin: Redis

beforeAll(async () => {
  primary = await startRedis({ args: ['--repl-diskless-sync-delay', '0'] })
  replica = await startRedis({ args: ['--replicaof', '127.0.0.1', String(primary.port)] })
  admin = new Redis(primary.port, '127.0.0.1')
  const info = async (): Promise<string> => await admin.info('replication')
  await waitFor(async () => (await info()).includes('state=online'), { what: 'the replica to follow' })
  backend = await RedisBackend.connect([primary.url])
})
afterAll(async () => {
  await backend.close()
  admin.disconnect()
  await replica.stop()
  await primary.stop()
})

describe('an append that asks for replicas', () => {
  it('resolves when they have it, also once, and with a time to live', async () => {
    const replicas = { replicas: 1 }
    const id = await backend.add('a', ['n', '1'], { durability: replicas })
    const reading = new Redis(replica.port, '127.0.0.1')
    expect((await reading.xrange('a', '-', '+')).map(([found]) => found)).toEqual([id])
    reading.disconnect()
    const once = { key: 'k' }
    const first = await backend.add('a', ['n', '2'], { durability: replicas, once })
    expect(await backend.add('a', ['n', '2'], { durability: replicas, once })).toBe(first)
    await backend.add('a', ['n', '3'], { durability: replicas, expireMs: 60_000 })
    expect((await backend.range('a')).length).toBe(3)
  })

  it('resolves many at once', async () => {
    const adds = Array.from({ length: 50 }, async (_, i) =>
      backend.add('many', ['n', String(i)], { durability: { replicas: 1 } }),
    )
    expect(new Set(await Promise.all(adds)).size).toBe(50)
  })

  it('rejects when too few have it in time; the entry is there, and no other command waited', async () => {
    await expect(backend.add('b', ['n', '1'], { durability: { replicas: 2, timeoutMs: 50 } })).rejects.toMatchObject({
      code: 'NOT_DURABLE',
      message: expect.stringContaining('1 of 2') as string,
    })
    expect((await backend.range('b')).length).toBe(1)
    await replica.kill('SIGSTOP')
    const late = backend.add('b', ['n', '2'], { durability: { replicas: 1, timeoutMs: 400 } })
    const refused = expect(late).rejects.toMatchObject({ code: 'NOT_DURABLE' })
    expect((await backend.range('b')).length).toBeGreaterThan(0)
    await backend.add('b', ['n', '3'])
    await refused
    await replica.kill('SIGCONT')
    expect((await backend.range('b')).length).toBe(3)
  })

  it('says that the outcome is unknown when the line is cut while it waits', async () => {
    await replica.kill('SIGSTOP')
    const adding = backend.add('c', ['n', '1'], { durability: { replicas: 1, timeoutMs: 5000 } })
    const cut = expect(adding).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    const waiting = async (): Promise<string | undefined> =>
      /^id=(\d+) .* flags=b .* cmd=wait /m.exec(String(await admin.client('LIST')))?.[1]
    await waitFor(async () => (await waiting()) !== undefined, { what: 'WAIT to be under way' })
    await admin.call('CLIENT', 'KILL', 'ID', (await waiting())!)
    await cut
    await replica.kill('SIGCONT')
  })
})

describe('an append that asks for the disk', () => {
  it('is refused where nobody can know, and nothing is added', async () => {
    await expect(backend.add('d', ['n', '1'], { durability: 'fsync' })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('append-only file is no') as string,
    })
    expect(await backend.inspect('d')).toBeUndefined()
  })

  it('resolves on a server that syncs each write', async () => {
    const server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
    const on = await RedisBackend.connect([server.url])
    await on.add('d', ['n', '1'], { durability: 'fsync' })
    await on.close()
    await server.kill('SIGKILL')
    await server.stop()
  })
})
