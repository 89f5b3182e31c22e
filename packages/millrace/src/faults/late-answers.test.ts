/** Answers that come late, while other requests of the same worker are answered. */
import { waitFor } from '@millrace/testing'
import { expect, it } from 'vitest'
import { connect } from '../connect.ts'
import { Millrace } from '../millrace.ts'
import { ackWith } from '../worker/outcome.ts'
import { gate } from '../worker/testing/worker-rig.ts'
import { atEnd } from './testing/scenario.ts'

it('does not call an entry lost whose step was taken and is answered after the next renewal', async () => {
  const own = await connect()
  atEnd(() => own.close())
  const answer = gate()
  let claims = 0
  let isTaken = false
  const backend = new Proxy(own.backend, {
    get(target, name): unknown {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]): Promise<unknown> => {
        const result: unknown = await Reflect.apply(value, target, args)
        if (name === 'claim' && isTaken) claims++
        if (name !== 'step' || !JSON.stringify(args).includes('did')) return result
        isTaken = true
        await answer.opened
        return result
      }
    },
  })
  const stream = new Millrace(backend).stream<number>('s')
  const events: string[] = []
  const worker = stream.group('g').worker(() => ackWith([{ kind: 'increment', key: '{s}:did' }]), {
    leaseMs: 300,
    onEvent: (event) => events.push(event.type),
  })
  atEnd(() => worker.stop({ graceMs: 0 }))
  await stream.add(1)
  await waitFor(() => claims > 0, { what: 'a renewal after the step' })
  answer.open()
  await waitFor(() => worker.counts.completed + worker.counts.lost > 0, { what: 'the outcome' })
  expect(worker.counts).toMatchObject({ completed: 1, lost: 0 })
  expect(events).not.toContain('lost')
})
