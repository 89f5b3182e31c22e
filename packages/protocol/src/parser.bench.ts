/**
 * What a request costs to decode, and a reply to encode: one process, no socket.
 *
 *   node --conditions=@millrace/source --import tsx packages/protocol/src/parser.bench.ts [requests]
 *
 * Does not show: what the command does with its arguments, and the copy from the kernel.
 */
import { ReplyWriter } from './reply-writer.ts'
import { RequestParser } from './request-parser.ts'

const REQUESTS = Number(process.argv[2] ?? 2_000_000)
const PER_CHUNK = 400
const PARTS = 20

/** Nanoseconds for one in the fastest part (which the machine's other work disturbed least), and in the median one. */
function timed(name: string, run: (count: number) => number): void {
  const parts: number[] = []
  let hash = 0
  for (let part = 0; part < PARTS; part++) {
    const count = REQUESTS / PARTS
    const start = process.hrtime.bigint()
    hash = (hash * 31 + run(count)) % 1_000_003
    parts.push(Number(process.hrtime.bigint() - start) / count)
  }
  parts.sort((a, b) => a - b)
  console.log(`${name}: ${parts[0]!.toFixed(0)} (${parts[PARTS / 2]!.toFixed(0)}) ns, result ${hash}`)
}

const args = ['XADD', 'orders', '*', 'field', 'a value of some 28 characters']
const request = `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
const chunk = Buffer.from(request.repeat(PER_CHUNK))

timed('decode XADD of 5 arguments, whole chunks', (count) => {
  const parser = new RequestParser()
  let total = 0
  for (let i = 0; i < count; i += PER_CHUNK) {
    parser.feed(chunk)
    while (parser.next()) total += parser.request.count
  }
  return total
})

timed('decode XADD of 5 arguments, cut at every 1,000 bytes', (count) => {
  const parser = new RequestParser()
  let total = 0
  for (let i = 0; i < count; i += PER_CHUNK) {
    for (let at = 0; at < chunk.length; at += 1000) {
      parser.feed(chunk.subarray(at, at + 1000))
      while (parser.next()) total += parser.request.count
    }
  }
  return total
})

timed('decode PING, inline', (count) => {
  const parser = new RequestParser()
  const pings = Buffer.from('PING\r\n'.repeat(PER_CHUNK))
  let total = 0
  for (let i = 0; i < count; i += PER_CHUNK) {
    parser.feed(pings)
    while (parser.next()) total += parser.request.count
  }
  return total
})

timed('encode a bulk of 15 characters and an integer', (count) => {
  const reply = new ReplyWriter()
  let total = 0
  for (let i = 0; i < count; i++) {
    reply.bulkText('1700000000000-1')
    reply.integer(i)
    if (reply.length < 16_000) continue
    total += reply.length
    reply.sent(true)
  }
  return total
})
