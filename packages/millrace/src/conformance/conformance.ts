/**
 * The one suite that every Backend passes: each sentence of backend.ts as a case, in a file per verb.
 *
 *   describeBackend('redis', () => RedisBackend.connect([url]), {}, { describe, it, beforeAll, afterAll })
 *
 * It needs no test framework of its own: Vitest's and node:test's functions both fit (`beforeAll: before`).
 * Where a backend differs on purpose, the difference is data with its reason; its case must then fail, so that
 * the data stays true, and docs/compatibility.md is printed from it.
 */

import type { Backend } from '../backend.ts'
import { addCases } from './conformance-add.ts'
import { addManyCases } from './conformance-add-many.ts'
import { claimCases } from './conformance-claim.ts'
import { closeCases } from './conformance-close.ts'
import { groupCases } from './conformance-groups.ts'
import { inspectCases } from './conformance-inspect.ts'
import { onceCases } from './conformance-once.ts'
import { rangeCases } from './conformance-range.ts'
import { readGroupCases } from './conformance-read-group.ts'
import { readCases } from './conformance-read.ts'
import { settleCases } from './conformance-settle.ts'
import { stepCases } from './conformance-step.ts'
import { type Case, type Probes, Site } from './conformance-site.ts'
import { trimCases } from './conformance-trim.ts'

/** The sentence of a case, and why this backend does otherwise. */
export type Differences = Readonly<Record<string, string>>

/** What runs the cases. */
export interface Runner extends Probes {
  describe(name: string, body: () => void): unknown
  it(name: string, body: () => Promise<void>): unknown
  beforeAll(body: () => Promise<void>): unknown
  afterAll(body: () => Promise<void>): unknown
}

/** Every case, by the verb it is about. */
export const conformanceCases: Readonly<Record<string, readonly Case[]>> = {
  add: addCases,
  addMany: addManyCases,
  'add, once and as durable as asked for': onceCases,
  range: rangeCases,
  read: readCases,
  'trim, delete and expire': trimCases,
  inspect: inspectCases,
  'createGroup, setGroup, destroyGroup and deleteConsumer': groupCases,
  readGroup: readGroupCases,
  'settle and pending': settleCases,
  claim: claimCases,
  step: stepCases,
  close: closeCases,
}

/** Registers every case for one backend. `create` is called once for the suite, and again by cases that close theirs. */
export function describeBackend(
  name: string,
  create: () => Promise<Backend>,
  differs: Differences,
  runner: Runner,
): void {
  const known = new Set(Object.values(conformanceCases).flatMap((cases) => cases.map((one) => one.name)))
  const unknown = Object.keys(differs).filter((sentence) => !known.has(sentence))
  if (unknown.length > 0) throw new Error(`Differences of '${name}' that name no case: ${unknown.join('; ')}`)
  runner.describe(`${name} is a Backend`, () => {
    let backend: Backend
    runner.beforeAll(async () => {
      backend = await create()
    })
    runner.afterAll(async () => {
      await backend.close()
    })
    for (const [verb, cases] of Object.entries(conformanceCases)) {
      runner.describe(verb, () => {
        for (const one of cases) {
          if (one.needsForeignKey === true && runner.makeForeignKey === undefined) continue
          const run = async (): Promise<void> => {
            const site = new Site(backend, create, runner)
            await site.untilQuiet()
            await one.run(site)
          }
          register(runner, one, run, differs[one.name])
        }
      })
    }
  })
}

function register(runner: Runner, one: Case, run: () => Promise<void>, reason: string | undefined): void {
  if (reason === undefined) {
    runner.it(one.name, run)
    return
  }
  runner.it(`differs, ${one.name}: ${reason}`, async () => {
    const isConforming = await run().then(
      () => true,
      () => false,
    )
    if (isConforming) throw new Error(`'${one.name}' no longer differs: take it out of the differences`)
  })
}
