/**
 * A scenario is what a real client does in its daily life, in steps: a step is a call with its result checked.
 *
 *   describeClient ──► on Millrace      ──► the steps ──► at least 40 of them were carried out
 *                  └─► on redis-server  ──► the same  ──► the same
 *
 * One program for both servers, so that what is expected of ours is what the real one does. What redis-server 7.0 does not
 * have stands inside `scene.isOurs`, and is not counted.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Server } from '../server.ts'

const STEPS_MIN = 40
const LIMIT_MS = 10_000

interface Started {
  readonly port: number
  stop(): Promise<void>
}

/** Starts the redis-server of the comparison. */
export type StartRedis = () => Promise<Started>

/** Tells one client's scenario twice, as tests: against our server and against redis-server. */
export function describeClient(client: string, startRedis: StartRedis, tell: (scene: Scene) => void): void {
  describe(`${client} on Millrace`, () => play(new Scene(true, startMillrace), tell))
  describe(`${client} on redis-server`, () => play(new Scene(false, startRedis), tell))
}

/** The server of a scenario, and the steps that were carried out against it. */
export class Scene {
  readonly isOurs: boolean
  readonly #start: StartRedis
  #server: Started | undefined = undefined
  #steps = 0

  constructor(isOurs: boolean, start: StartRedis) {
    this.isOurs = isOurs
    this.#start = start
  }

  get port(): number {
    if (this.#server === undefined) throw new Error('The server of this scenario is not started yet')
    return this.#server.port
  }

  get steps(): number {
    return this.#steps
  }

  /** A step: the call resolves with exactly `expected` (which may hold matchers). */
  async is(call: Promise<unknown>, expected: unknown): Promise<void> {
    expect(await bounded(call, 'a reply')).toEqual(expected)
    this.#steps++
  }

  /** A step: the call is refused with an error whose message is, or matches, `message`. */
  async fails(call: Promise<unknown>, message: string | RegExp): Promise<void> {
    const outcome = await bounded(
      call.then(
        (value) => `resolved with ${JSON.stringify(value)}`,
        (error: unknown) => error,
      ),
      'an error',
    )
    const text = outcome instanceof Error ? outcome.message : String(outcome)
    if (typeof message === 'string') expect(text).toBe(message)
    else expect(text).toMatch(message)
    this.#steps++
  }

  /** A step whose result another one has to be made of: gives what the call resolved with, once it is checked. */
  async gives<T>(call: Promise<T>, expected: unknown = expect.anything()): Promise<T> {
    const value = await bounded(call, 'a reply')
    expect(value).toEqual(expected)
    this.#steps++
    return value
  }

  async start(): Promise<void> {
    this.#server = await this.#start()
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
  }
}

/** What arrives without being asked for: messages, events, lines. */
export class Inbox<T> {
  readonly #arrived: T[] = []
  #heard: (() => void) | undefined = undefined

  push(value: T): void {
    this.#arrived.push(value)
    this.#heard?.()
  }

  /** The first `count` that arrived and were not taken before, in their order. */
  async take(count: number): Promise<T[]> {
    return await bounded(this.#take(count), `${count} arrivals`)
  }

  async #take(count: number): Promise<T[]> {
    while (this.#arrived.length < count) await new Promise<void>((resolve) => (this.#heard = resolve))
    return this.#arrived.splice(0, count)
  }
}

/** The promise's value, or an error that says what was waited for, and from where. */
export async function bounded<T>(promise: Promise<T>, what: string): Promise<T> {
  const late = new Error(`Waited ${LIMIT_MS} ms for ${what}, in vain`)
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => (timer = setTimeout(() => reject(late), LIMIT_MS)))
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** The connections' numbers of one name in what CLIENT LIST tells. */
export function idsNamed(list: string, name: string): string[] {
  return [...list.matchAll(new RegExp(`^id=(\\d+) .* name=${name} `, 'gm'))].map((match) => match[1]!)
}

async function startMillrace(): Promise<Started> {
  const server = await Server.start({ port: 0 })
  return { port: server.port, stop: async () => await server.close() }
}

function play(scene: Scene, tell: (scene: Scene) => void): void {
  beforeAll(async () => await scene.start())
  afterAll(async () => await scene.stop())
  tell(scene)
  it(`carries out at least ${STEPS_MIN} steps`, () => {
    expect(scene.steps).toBeGreaterThanOrEqual(STEPS_MIN)
  })
}
