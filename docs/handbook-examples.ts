/**
 * The handbook's examples, read from its Markdown and run against a real redis-server through redis-cli.
 *
 *   ```redis                                  ┐
 *   > XADD orders * item lamp                 │ a command; `*` is replaced by the ID printed below it,
 *   "1795391639213-0"                         │ so that later commands can name that ID
 *   # 45 seconds later                        │ time passes: every pending entry becomes older
 *   > XREAD BLOCK 5000 STREAMS orders $       │ a command that waits …
 *   # another client: XADD orders * item pen  │ … until this one runs
 *   1) 1) "orders"                            ┘ its reply
 *   ```
 *
 * `redis since=8.2` marks a session that needs a newer server than 7.0; it is not run. A line that begins
 * with `# ` and is neither of the two above is a remark.
 */
import { spawn } from 'node:child_process'

export interface Article {
  readonly meta: ReadonlyMap<string, string>
  readonly body: string
}

export interface Step {
  /** One command, or all commands from MULTI to EXEC. */
  readonly commands: readonly string[]
  /** What another client does while the command waits. */
  readonly meanwhile: readonly string[]
  readonly reply: readonly string[]
  /** How much time passes before the commands, in milliseconds. */
  readonly laterMs: number
}

export interface CodeBlock {
  readonly language: string
  readonly info: string
  readonly text: string
}

const commandMsMax = 15_000
const pollMs = 5

export function parseArticle(source: string): Article {
  const match = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(source)
  if (match === null) throw new Error('expected front matter between two lines of ---')
  const meta = new Map<string, string>()
  for (const line of match[1]!.split('\n')) {
    const colon = line.indexOf(': ')
    if (colon > 0) meta.set(line.slice(0, colon), line.slice(colon + 2).trim())
  }
  return { meta, body: match[2]! }
}

export function codeBlocks(body: string): CodeBlock[] {
  return [...body.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)].map((match) => {
    const [language = '', ...info] = match[1]!.split(' ')
    return { language, info: info.join(' '), text: match[2]! }
  })
}

export function parseSteps(text: string): Step[] {
  const steps: { commands: string[]; meanwhile: string[]; reply: string[]; laterMs: number }[] = []
  let laterMs = 0
  let inMulti = false
  for (const line of text.split('\n').filter((line) => line !== '')) {
    const later = /^# (\d+) (second|minute|hour)s? later/.exec(line)
    const other = /^# another client: (.+)$/.exec(line)
    if (later !== null) {
      laterMs += Number(later[1]) * { second: 1000, minute: 60_000, hour: 3_600_000 }[later[2]! as 'second']
    } else if (other !== null) {
      steps.at(-1)!.meanwhile.push(other[1]!)
    } else if (line.startsWith('> ')) {
      const command = line.slice(2)
      if (inMulti) steps.at(-1)!.commands.push(command)
      else steps.push({ commands: [command], meanwhile: [], reply: [], laterMs })
      laterMs = 0
      if (/^multi$/i.test(command)) inMulti = true
      if (/^exec$/i.test(command)) inMulti = false
    } else if (!line.startsWith('# ')) {
      if (steps.length === 0) throw new Error(`a reply before any command: ${line}`)
      steps.at(-1)!.reply.push(line)
    }
  }
  return steps
}

/** Runs one step and gives the reply's lines as redis-cli prints them. */
export async function runStep(port: number, step: Step): Promise<string[]> {
  if (step.laterMs > 0) await redisCli(port, [ageScript(step.laterMs)])
  const ids = step.reply.flatMap((line) => line.match(/\b\d+-\d+\b/g) ?? [])
  const unused = [...ids]
  const commands = step.commands.map((command) => (asksForId(command) ? withId(command, unused.shift()) : command))
  if (step.meanwhile.length === 0) return redisCli(port, commands)
  const waiting = redisCli(port, commands)
  const state = { settled: false }
  const settle = () => void (state.settled = true)
  waiting.then(settle, settle)
  const deadline = Date.now() + commandMsMax
  while (!state.settled && !(await redisCli(port, ['INFO clients'])).includes('blocked_clients:1')) {
    if (Date.now() > deadline) throw new Error(`did not begin to wait: ${commands.join('; ')}`)
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
  for (const command of step.meanwhile) await redisCli(port, [withId(command, ids.at(-1))])
  return waiting
}

export function redisCli(port: number, commands: readonly string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn('redis-cli', ['--no-raw', '-p', String(port)], { timeout: commandMsMax })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (signal !== null) reject(new Error(`no reply within ${commandMsMax} ms: ${commands.join('; ')}`))
      else if (code !== 0) reject(new Error(`redis-cli ended with ${code}: ${output}`))
      else
        resolve(
          output
            .split('\n')
            .map((line) => line.trimEnd())
            .filter((line) => line !== ''),
        )
    })
    child.stdin.on('error', reject)
    child.stdin.end(commands.map((command) => `${command}\n`).join(''))
  })
}

/** Two replies are the same when they differ in nothing but measured times and IDs that a script made. */
export function comparable(step: Step, reply: readonly string[]): string[] {
  const command = step.commands.join('\n').toUpperCase()
  const lines = reply.map((line) => line.trimEnd())
  const has = (name: string) => new RegExp(`^${name}`, 'm').test(command)
  if (has('XPENDING')) return lines.map((line) => line.replace(/( 3\) \(integer\)) \d+/, '$1 <idle>'))
  if (has('MEMORY')) return lines.map((line) => line.replace(/^\(integer\) \d+$/, '<bytes>'))
  if (has('XINFO')) return lines.map((line, i) => maskAfter(lines[i - 1] ?? '', line))
  if (has('(P?TTL|TIME|INFO)')) return lines.map((line) => line.replace(/\d{2,}/g, '<time>'))
  if (has('EVAL') || has('FCALL')) return lines.map((line) => line.replace(/\d{13}-\d+/g, '<id>'))
  return lines
}

function maskAfter(before: string, line: string): string {
  if (/"(idle|seen-time|delivery-time)"$/.test(before)) return line.replace(/\(integer\) \d+/, '<time>')
  return line.replace(/\(integer\) \d{13}$/, '<time>')
}

function asksForId(command: string): boolean {
  return /^xadd .* \* /i.test(command)
}

function withId(command: string, id: string | undefined): string {
  return id === undefined || !asksForId(command) ? command : command.replace(' * ', ` ${id} `)
}

/** Makes every pending entry of every group older, owners and delivery counts unchanged. */
function ageScript(ms: number): string {
  const lua = `
    for _, key in ipairs(redis.call('KEYS', '*')) do
      if redis.call('TYPE', key).ok == 'stream' then
        for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
          for _, entry in ipairs(redis.call('XPENDING', key, group[2], '-', '+', 1000)) do
            redis.call('XCLAIM', key, group[2], entry[2], 0, entry[1], 'IDLE', entry[3] + ${ms}, 'JUSTID')
          end
        end
      end
    end`
  return `EVAL "${lua.replaceAll(/\s+/g, ' ').trim()}" 0`
}
