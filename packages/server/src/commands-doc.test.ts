/**
 * docs/commands.md is printed from the command table. To print it anew:
 *
 *   UPDATE_DOCS=1 npx vitest run packages/server/src/commands-doc.test.ts
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { syntaxOf } from './command-syntax.ts'
import { CommandTable } from './command-table.ts'
import type { Command } from './command.ts'

const file = join(import.meta.dirname, '../../../docs/commands.md')

const groups: readonly (readonly [group: Command['group'], title: string])[] = [
  ['stream', 'Streams'],
  ['string', 'Strings'],
  ['generic', 'Keys'],
  ['transactions', 'Transactions'],
  ['pubsub', 'Publish and subscribe'],
  ['scripting', 'Scripts'],
  ['connection', 'Connections'],
  ['server', 'The server'],
  ['cluster', 'Cluster'],
]

const commands = [...new CommandTable().all].flatMap((command) =>
  command.subcommands === undefined
    ? [command]
    : [...(command.run === undefined ? [] : [command]), ...command.subcommands],
)

function print(): string {
  const lines = [
    '# Commands',
    '',
    `Printed from the command table: ${commands.length} commands and subcommands, each with the version of Redis that it is as of,`,
    'what it costs, and where it differs from Redis on purpose. What a command means is told by',
    '[its documentation](https://redis.io/docs/latest/commands/); `COMMAND DOCS` tells this table to clients.',
    '',
  ]
  for (const [group, title] of groups) {
    const listed = commands.filter((command) => command.group === group)
    if (listed.length === 0) continue
    lines.push(`## ${title}`, '')
    for (const command of listed.sort((a, b) => (a.name < b.name ? -1 : 1))) lines.push(...describe(command))
    lines.push('')
  }
  return `${lines.join('\n').trimEnd()}\n`
}

function describe(command: Command): string[] {
  const { summary, since, complexity, differs, deprecated } = command
  const facts = [`since ${since}`]
  if (complexity !== '') facts.push(inLine(complexity))
  if (deprecated !== undefined) facts.push(`old since ${deprecated.since}: ${deprecated.replacedBy}`)
  const lines = [`- \`${syntaxOf(command)}\``, `  ${sentence(inLine(summary))} *${facts.join('; ')}*`]
  if (differs !== undefined) lines.push(`  **Differs:** ${inLine(differs)}`)
  return lines
}

/** Text that Markdown leaves as it is. */
function inLine(text: string): string {
  return text.replaceAll('*', '\\*').replaceAll('<', '&lt;')
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`
}

it('docs/commands.md says what the command table says', () => {
  const printed = print()
  if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(file, printed)
  const written = readFileSync(file, 'utf8')
  expect(written, 'print it anew: UPDATE_DOCS=1 npx vitest run packages/server/src/commands-doc.test.ts').toBe(printed)
})

it('every command belongs to a group that is printed', () => {
  const printed = groups.map(([group]) => group)
  expect(commands.filter(({ group }) => !printed.includes(group)).map(({ name }) => name)).toEqual([])
})

it('every command says in a sentence what it is for, and what it costs', () => {
  const uncosted = new Set(['monitor', 'psync', 'sync', 'lolwut'])
  const wanting = commands.filter(({ name, summary, complexity }) => {
    return summary === '' || (complexity === '' && !uncosted.has(name))
  })
  expect(wanting.map(({ name }) => name)).toEqual([])
})
