/**
 * ACL rules of any shape: a user is what it was or what the rules say, never in between; what is told of a user makes the same
 * user again; and nothing of it ends anything.
 *
 * MILLRACE_RUNS sets how many (2 users for each run), MILLRACE_SEED repeats a run.
 */
import { afterEach, expect, it } from 'vitest'
import { Random, seedOfRun } from '../differential-random.ts'
import { encode } from '../differential-wire.ts'
import { Site } from '../testing/site.ts'
import { rules } from './hostile-commands.ts'
import { Plug } from './plug.ts'

const USERS = Number(process.env['MILLRACE_RUNS'] ?? 2000) * 2
const seed = seedOfRun()

let site: Site | undefined
afterEach(async () => await site?.close())

const pieces = [
  '(',
  ')',
  ' ',
  '~',
  '%',
  'R',
  'W',
  '+',
  '-',
  '@',
  '|',
  '&',
  '>',
  '<',
  '#',
  '!',
  'get',
  'all',
  'xadd',
  'config|get',
  '*',
  '\0',
  '\n',
  '\t',
]

function rule(random: Random): string {
  if (random.chance(0.5)) return random.pick(rules)
  return Array.from({ length: 1 + random.below(12) }, () => random.pick(pieces)).join('')
}

it(
  `CVE-2024-31227, CVE-2024-51741: ${USERS} users of random rules and selectors are taken whole or not at all (seed ${seed})`,
  { timeout: 60_000 + USERS * 10 },
  async () => {
    site = await Site.start()
    const { acl } = site.server.state
    const random = new Random(seed)
    const plug = await Plug.into(site.server.state)
    let asked = 0
    let taken = 0
    const ask = async (...args: string[]): Promise<string> => {
      plug.put(encode(args))
      const replies = await plug.answered(++asked)
      return replies[asked - 1] ?? ''
    }
    for (let i = 0; i < USERS; i++) {
      const given = Array.from({ length: 1 + random.below(6) }, () => rule(random))
      const before = acl.user('u')?.text
      const reply = await ask('ACL', 'SETUSER', 'u', ...given)
      const told = `seed ${seed}, ${JSON.stringify(given)}`
      if (reply === '+OK\r\n') taken++
      else {
        expect(reply, told).toMatch(/^-ERR (Error in ACL SETUSER modifier|Unmatched parenthesis)/)
        expect(acl.user('u')?.text, told).toBe(before)
      }
      const user = acl.user('u')
      if (user === undefined) continue
      // As Redis: a selector's text ends at a parenthesis, though a pattern may have one.
      if (/[~&][^ ]*[()][^ )]/.test(user.text) || /[~&][^ ]*\)\)/.test(user.text)) continue
      await ask('ACL', 'DELUSER', 'copy')
      await ask('ACL', 'SETUSER', 'copy', ...user.text.split(' ').slice(2))
      expect(acl.user('copy')?.text.replace('user copy', 'user u'), told).toBe(user.text)
    }
    expect(taken).toBeGreaterThan(USERS / 20)
    expect(plug.frames()).toHaveLength(asked)
    expect(site.log).toEqual([])
  },
)
