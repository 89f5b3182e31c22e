import { expect, it } from 'vitest'
import { DeliveryOrder } from './delivery-order.ts'
import { compareIds, formatId, type StreamId } from './id.ts'
import { Meter } from './meter.ts'
import { IdCell, toStreamId } from './number-id.ts'
import { Seeded } from './seeded.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

interface Place {
  readonly timeMs: number
  readonly id: StreamId
}

/** Few times, and IDs next to each other beyond what a number holds exactly as well as below. */
function somePlace(random: Seeded): Place {
  const ms = random.below(3) === 0 ? 2n ** 60n + BigInt(random.below(40)) : BigInt(random.below(40))
  const seq = random.below(4) === 0 ? 2n ** 63n + BigInt(random.below(40)) : BigInt(random.below(40))
  return { timeMs: random.below(5), id: { ms, seq } }
}

it(`gives back by time and then by ID, also of IDs that no number holds, seed ${SEED}`, () => {
  console.info(`delivery-order: MILLRACE_SEED=${SEED}`)
  const random = new Seeded(SEED)
  const meter = new Meter()
  const order = new DeliveryOrder(meter)
  let places: Place[] = []
  const cell = new IdCell()
  for (let round = 0; round < 30; round++) {
    for (let i = random.below(60); i > 0; i--) {
      const place = somePlace(random)
      places.push(place)
      order.push(place.timeMs, IdCell.of(place.id))
    }
    places.sort((a, b) => a.timeMs - b.timeMs || compareIds(a.id, b.id))
    const count = random.below(places.length + 1)
    for (const { timeMs, id } of places.slice(0, count)) {
      order.readFirst(cell)
      expect(`${order.firstTime} ${formatId(toStreamId(cell))}`).toBe(`${timeMs} ${formatId(id)}`)
      order.pop()
    }
    places = places.slice(count)
    expect(order.size).toBe(places.length)
  }
  order.release()
  expect(meter.bytes).toBe(0)
})
