/** A typed stream, two workers, a retry, a dead letter and a redrive: run it with `npx tsx examples/orders.ts`. */
import { connect, fail, type WorkerOptions } from 'millrace'
import { z } from 'zod'

const mr = await connect() // or connect('./data'), connect('redis://127.0.0.1:6379'): the rest stays as it is
const Order = z.object({ item: z.string(), count: z.number().int().positive() })
const orders = mr.stream('orders', { schema: Order })

let isPrinterMended = false
const options: WorkerOptions = {
  retry: { initialMs: 10 },
  onEvent: (event) => {
    if (event.type === 'retried') console.log(`again: attempt ${event.attempt} failed`)
    if (event.type === 'dead-lettered') void redrive(event.reason)
  },
}
const workers = ['ada', 'bob'].map(() =>
  orders.group('shipping').worker(async ({ value }, { attempt }) => {
    if (value.item === 'milk' && attempt === 1) throw new Error('The fridge is shut')
    if (value.item === 'poster' && !isPrinterMended) return fail('The printer is on fire')
    console.log(`shipped ${value.count} ${value.item}`)
    if (value.item === 'poster') setImmediate(end)
  }, options),
)
await orders.add({ item: 'milk', count: 2 })
await orders.add({ item: 'poster', count: 1 }, { key: 'order-2', delayMs: 200 })
await orders.add({ item: 'tea', count: 0 }).catch((error: Error) => console.log(error.message))

async function redrive(reason: string): Promise<void> {
  console.log(`put aside: ${reason}`)
  isPrinterMended = true
  console.log('redriven', (await orders.deadLetters.redrive({ all: true })).redriven)
}
async function end(): Promise<void> {
  await Promise.all(workers.map((worker) => worker.stop()))
  await mr.close()
}
