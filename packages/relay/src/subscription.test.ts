import type { EntryId } from 'millrace'
import { describe, expect, it } from 'vitest'
import type { AnswerEntry } from './entry.ts'
import { Subscription } from './subscription.ts'

function id(i: number): EntryId {
  return `${i}-0` as EntryId
}

function entries(from: number, to: number): AnswerEntry[] {
  const list: AnswerEntry[] = []
  for (let i = from; i <= to; i++) list.push({ type: 'delta', text: '', id: id(i), seq: i, epoch: 1 })
  return list
}

function reader(at: number): { subscription: Subscription; hub: { at: number }; control: AbortController } {
  const hub = { at }
  const control = new AbortController()
  const subscription = new Subscription(
    id(at),
    () => id(hub.at),
    control.signal,
    () => undefined,
  )
  return { subscription, hub, control }
}

const seqs = (taken: readonly AnswerEntry[] | undefined): number[] | undefined => taken?.map((entry) => entry.seq)

describe('a reader at the hub', () => {
  it('takes what continues where it is', async () => {
    const { subscription } = reader(7)
    subscription.offer(id(7), entries(8, 9))
    subscription.offer(id(9), entries(10, 10))
    expect(seqs(await subscription.next())).toEqual([8, 9, 10])
  })

  it('takes only the new part of what overlaps, by number and not by text', async () => {
    const { subscription } = reader(9)
    subscription.offer(id(6), entries(7, 12))
    expect(seqs(await subscription.next())).toEqual([10, 11, 12])
  })

  it('is sent to the log when it has missed something, and joins again behind that', async () => {
    const { subscription, hub } = reader(7)
    hub.at = 12
    subscription.offer(id(10), entries(11, 12))
    expect(await subscription.next()).toBeUndefined()
    expect(subscription.moveTo(id(11))).toBe(false)
    expect(subscription.moveTo(id(12))).toBe(true)
    subscription.offer(id(12), entries(13, 13))
    expect(seqs(await subscription.next())).toEqual([13])
  })

  it('keeps no more than 100 entries for a slow reader', async () => {
    const { subscription, hub } = reader(0)
    for (let i = 0; i < 101; i++) subscription.offer(id(i), entries(i + 1, i + 1))
    hub.at = 101
    expect(await subscription.next()).toBeUndefined()
    expect(subscription.moveTo(id(101))).toBe(true)
  })

  it('hears of an abort and of a failure while it waits, and has what came before', async () => {
    const first = reader(1)
    const waiting = first.subscription.next()
    first.control.abort(new Error('left'))
    await expect(waiting).rejects.toThrow('left')
    const second = reader(1)
    second.subscription.offer(id(1), entries(2, 2))
    second.subscription.fail(new Error('gone'))
    expect(seqs(await second.subscription.next())).toEqual([2])
    await expect(second.subscription.next()).rejects.toThrow('gone')
  })
})
