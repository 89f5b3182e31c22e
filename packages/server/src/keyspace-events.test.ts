import type { Env } from '@millrace/engine'
import { nodeEnv } from '@millrace/engine'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Talk } from './talk.ts'

let talk: Talk
let listener: Talk
let nowMs: number
beforeEach(async () => {
  nowMs = 1_700_000_000_000
  const env: Env = { ...nodeEnv, nowMs: () => nowMs }
  talk = await Talk.start({ env })
  listener = await talk.another()
  await listener.ask('PSUBSCRIBE __key*__:*')
})
afterEach(async () => await talk.end())

/** What was told since the last time, as `channel message`. */
async function events(): Promise<string[]> {
  const found: string[] = []
  await talk.ask('PUBLISH __key__:end end')
  for (;;) {
    const parts = (await listener.hear(1))[0]!.split(/ \$\d+ /)
    if (parts[3] === '__key__:end') return found
    found.push(`${parts[3]} ${parts[4]}`)
  }
}

async function listenTo(classes: string): Promise<void> {
  expect(talk.server.state.keyspaceEvents.set(classes)).toBe(true)
}

it('tells nothing unless it is asked to', async () => {
  await talk.ask('SET a 1')
  expect(await events()).toEqual([])
})

it('tells the key with the event, and the event with the key', async () => {
  await listenTo('KEA')
  await talk.ask('SET a 1 EX 100')
  await talk.ask('DEL a')
  expect(await events()).toEqual([
    '__keyspace@0__:a set',
    '__keyevent@0__:set a',
    '__keyspace@0__:a expire',
    '__keyevent@0__:expire a',
    '__keyspace@0__:a del',
    '__keyevent@0__:del a',
  ])
})

it('tells only the classes that were named', async () => {
  await listenTo('E$')
  await talk.ask('SET a 1')
  await talk.ask('DEL a')
  expect(await events()).toEqual(['__keyevent@0__:set a'])
  await listenTo('Emn')
  await talk.ask('GET a')
  await talk.ask('SET a 1')
  await talk.ask('XADD s 1-1 f v')
  expect(await events()).toEqual(['__keyevent@0__:keymiss a', '__keyevent@0__:new a', '__keyevent@0__:new s'])
})

it('tells each key that a read of streams misses once, and counts it so', async () => {
  await listenTo('Em')
  await talk.ask('XADD s 1-1 f v')
  await talk.ask('CONFIG RESETSTAT')
  await talk.ask('XREAD STREAMS missing s 0 0')
  await talk.ask('XREADGROUP GROUP g c STREAMS other >')
  expect(await events()).toEqual(['__keyevent@0__:keymiss missing', '__keyevent@0__:keymiss other'])
  const { keyspaceHits, keyspaceMisses } = talk.server.state
  expect([keyspaceHits, keyspaceMisses]).toEqual([1, 2])
})

it('tells that a key has expired, when somebody looks at it', async () => {
  await listenTo('Ex')
  await talk.ask('SET a 1 PX 100')
  nowMs += 99
  expect(await talk.ask('GET a')).toBe('$1 1')
  expect(await events()).toEqual([])
  nowMs += 1
  expect(await talk.ask('GET a')).toBe('$-1')
  expect(await events()).toEqual(['__keyevent@0__:expired a'])
})

it('names the databases that a key goes from and to', async () => {
  await listenTo('Eg')
  await talk.ask('SET a 1')
  await talk.ask('MOVE a 3')
  await talk.ask('SELECT 3')
  await talk.ask('RENAME a b')
  await talk.ask('COPY b c DB 4')
  expect(await events()).toEqual([
    '__keyevent@0__:move_from a',
    '__keyevent@3__:move_to a',
    '__keyevent@3__:rename_from a',
    '__keyevent@3__:rename_to b',
    '__keyevent@4__:copy_to c',
  ])
})

it.each([
  ['KEA', 'AKE'],
  ['AKEmn', 'AKEm'],
  ['Kg$t', 'g$tK'],
  ['gxed', 'gxed'],
  ['Kn', 'nK'],
  ['', ''],
])('prints the setting %j as %j', (setting, printed) => {
  const { keyspaceEvents } = talk.server.state
  keyspaceEvents.set(setting)
  expect(keyspaceEvents.setting).toBe(printed)
})

it('refuses a setting with a character of no meaning, and keeps the one before', () => {
  const { keyspaceEvents } = talk.server.state
  keyspaceEvents.set('Kg')
  expect(keyspaceEvents.set('Kq')).toBe(false)
  expect(keyspaceEvents.setting).toBe('gK')
})
