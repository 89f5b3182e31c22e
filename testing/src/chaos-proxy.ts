/**
 * A TCP line to a server, with faults at chosen bytes.
 *
 *   client ──requests──► ChaosProxy ──► target          cut:      so many bytes of it pass, then both ends close
 *   client ◄──replies─── ChaosProxy ◄── target          swallow:  so many bytes of it pass, then nothing, and no end (half-open)
 *                                                       drip:     a byte at a time, one each millisecond
 *
 * A reply alone can not be dropped: what follows would be taken for it, which no network does. `swallow` with `after: 0` is that.
 * `arm` chooses the request by its bytes; a fault happens once. `freeze` makes all that are open now half-open; new ones pass.
 */
import { createConnection, createServer, type Socket } from 'node:net'

export interface Fault {
  /** The request that it is about, or whose reply: looked for in the bytes of each connection. */
  readonly request: RegExp
  readonly at: 'request' | 'reply'
  readonly kind: 'cut' | 'swallow' | 'drip'
  /** How many bytes of it pass unharmed. Default 0. */
  readonly after?: number
}

interface Line {
  readonly client: Socket
  readonly target: Socket
  lastRequest: string
  /** Requests that the server has not answered yet, and the piece of a reply that has come. */
  unanswered: number
  piece: string
  isFrozen: boolean
  /** Its next reply is to be kept. */
  isWatched: boolean
  /** The fault whose reply is being counted, and the bytes that passed. */
  counted: Armed | undefined
  passed: number
}

interface Armed {
  readonly fault: Fault
  readonly happened: () => void
}

export class ChaosProxy {
  /** The last reply to a request that `watch` named: tells how many bytes there are to cut at. */
  watched = ''
  /** That request. */
  watchedRequest = ''
  /** Answers a request itself: the bytes of the reply; undefined: it goes to the server. Not asked while one is unanswered. */
  answer: ((request: string) => string | undefined) | undefined
  #target: number
  #armed: Armed | undefined
  #watch: RegExp | undefined
  #isDown = false
  readonly #lines = new Set<Line>()
  readonly #server = createServer((client) => this.#accept(client))

  /** Use `startChaosProxy`. */
  constructor(target: number) {
    this.#target = target
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** How many connections from clients are open. */
  get connections(): number {
    return this.#lines.size
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(0, '127.0.0.1', resolve)
    })
    return this
  }

  /** Resolves when the fault has happened. A request that waits for its reply already counts. */
  async arm(fault: Fault): Promise<void> {
    await new Promise<void>((resolve) => {
      const armed = { fault, happened: resolve }
      const waiting = [...this.#lines].find((line) => fault.at === 'reply' && fault.request.test(line.lastRequest))
      if (waiting === undefined) this.#armed = armed
      else this.#begin(waiting, armed)
    })
  }

  /** What was armed and did not happen is given up. */
  disarm(): void {
    this.#armed = undefined
    for (const line of this.#lines) line.counted = undefined
  }

  /** Keeps the next reply to such a request in `watched`, also to one that waits for its reply already. */
  watch(request: RegExp): void {
    this.watched = ''
    this.#watch = request
    for (const line of this.#lines) line.isWatched = request.test(line.lastRequest)
  }

  /** Nothing passes on the connections that are open now, and none of them ends; new ones work. */
  freeze(): void {
    for (const line of this.#lines) line.isFrozen = true
  }

  /** Ends all connections; refuses new ones while `isDown`. */
  reset(isDown = false): void {
    this.#isDown = isDown
    for (const { client } of this.#lines) client.resetAndDestroy()
  }

  /** New connections go to another port; those that are open end. */
  retarget(port: number): void {
    this.#target = port
    this.reset()
  }

  async stop(): Promise<void> {
    this.reset(true)
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #accept(client: Socket): void {
    if (this.#isDown) {
      client.resetAndDestroy()
      return
    }
    const target = createConnection({ port: this.#target, host: '127.0.0.1' })
    const line: Line = {
      client,
      target,
      lastRequest: '',
      unanswered: 0,
      piece: '',
      isFrozen: false,
      isWatched: false,
      counted: undefined,
      passed: 0,
    }
    this.#lines.add(line)
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      from.setNoDelay(true)
      // A broken line is what this proxy is for, so it is no news.
      from.on('error', () => to.destroy())
      from.on('close', () => {
        this.#lines.delete(line)
        to.destroy()
      })
    }
    client.on('data', (bytes: Buffer) => this.#request(line, bytes))
    target.on('data', (bytes: Buffer) => this.#reply(line, bytes))
  }

  #request(line: Line, bytes: Buffer): void {
    if (line.isFrozen) return
    const text = bytes.toString('latin1')
    line.lastRequest = text
    if (this.#watch?.test(text) === true) {
      line.isWatched = true
      this.watchedRequest = text
    }
    // Before the server has answered what came earlier it would be taken for that answer.
    const own = line.unanswered === 0 ? this.answer?.(text) : undefined
    if (own !== undefined) {
      line.client.write(own, 'latin1')
      return
    }
    if (this.answer !== undefined) line.unanswered += (text.match(/(?:^|\r\n)\*\d+\r\n\$/g) ?? []).length
    const armed = this.#armed
    if (armed?.fault.request.test(text) !== true) {
      line.target.write(bytes)
      return
    }
    this.#armed = undefined
    if (armed.fault.at === 'reply') {
      this.#begin(line, armed)
      line.target.write(bytes)
    } else this.#harm(line, { to: line.target, bytes }, armed)
  }

  #begin(line: Line, armed: Armed): void {
    line.counted = armed
    line.passed = 0
  }

  #reply(line: Line, bytes: Buffer): void {
    if (line.isFrozen) return
    if (line.unanswered > 0) countReplies(line, bytes)
    if (line.isWatched) this.watched = bytes.toString('latin1')
    line.isWatched = false
    const armed = line.counted
    if (armed === undefined) {
      line.client.write(bytes)
      return
    }
    line.counted = undefined
    this.#harm(line, { to: line.client, bytes }, armed)
  }

  #harm(line: Line, { to, bytes }: { readonly to: Socket; readonly bytes: Buffer }, { fault, happened }: Armed): void {
    const passing = bytes.subarray(0, Math.min(fault.after ?? 0, bytes.length))
    switch (fault.kind) {
      case 'cut':
        // What was written arrives before the end.
        to.end(passing, () => {
          line.client.destroy()
          line.target.destroy()
        })
        break
      case 'swallow':
        line.isFrozen = true
        if (passing.length > 0) to.write(passing)
        break
      case 'drip':
        drip(to, bytes, happened)
        return
    }
    happened()
  }
}

function countReplies(line: Line, bytes: Buffer): void {
  line.piece += bytes.toString('latin1')
  for (let end = endOfReply(line.piece, 0); end !== undefined; end = endOfReply(line.piece, 0)) {
    line.piece = line.piece.slice(end)
    line.unanswered = Math.max(0, line.unanswered - 1)
  }
}

/** Where the reply ends that begins at `at`; undefined: not all of it is there. */
function endOfReply(text: string, at: number): number | undefined {
  const lineEnd = text.indexOf('\r\n', at)
  if (lineEnd === -1) return undefined
  const [kind, size] = [text[at], Number(text.slice(at + 1, lineEnd))]
  let end: number | undefined = lineEnd + 2
  if (kind === '$' && size >= 0) {
    end += size + 2
    return end <= text.length ? end : undefined
  }
  if (kind !== '*' && kind !== '%') return end
  const parts = kind === '%' ? size * 2 : size
  for (let i = 0; i < parts && end !== undefined; i++) end = endOfReply(text, end)
  return end
}

function drip(to: Socket, bytes: Buffer, done: () => void, at = 0): void {
  if (at >= bytes.length || to.destroyed) {
    done()
    return
  }
  to.write(bytes.subarray(at, at + 1))
  setTimeout(() => drip(to, bytes, done, at + 1), 1)
}

/** Starts a proxy in front of a port of 127.0.0.1. */
export async function startChaosProxy(target: number): Promise<ChaosProxy> {
  return await new ChaosProxy(target).listen()
}
