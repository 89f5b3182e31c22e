/**
 * Tidy: the rules of STYLE.md that a machine can hold us to. Reads the tracked files as text; runs none of them.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, it } from 'vitest'

/** Imports point down this table only; a new arrow is a decision (docs/decisions). `testing` is for tests alone. */
const mayImport: Record<string, readonly string[]> = {
  'packages/protocol': [],
  'packages/engine': [],
  'packages/server': ['@millrace/engine', '@millrace/protocol'],
  'packages/cli': ['@millrace/engine', '@millrace/protocol', '@millrace/server', 'millrace', '@millrace/relay'],
  'packages/millrace': ['@millrace/engine'],
  'packages/relay': ['millrace'],
  'apps/ask': ['millrace', '@millrace/relay'],
  testing: [],
  bench: [
    '@millrace/protocol',
    '@millrace/engine',
    '@millrace/server',
    'millrace',
    '@millrace/relay',
    '@millrace/ask',
    '@millrace/testing',
  ],
}
const ours = [
  '@millrace/protocol',
  '@millrace/engine',
  '@millrace/server',
  '@millrace/cli',
  'millrace',
  '@millrace/relay',
  '@millrace/ask',
  '@millrace/testing',
]
/** Inside what the project exists for there are no dependencies. */
const withoutDependencies = ['packages/protocol', 'packages/engine']
const bannedFolders = ['lib', 'utils', 'util', 'types', 'helpers', 'helper', 'common', 'core', 'shared', 'misc']
const linesMax = 450

const root = import.meta.dirname
// Files that git knows or would take: what is ignored is not ours to check.
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)))
const text = (file: string): string => readFileSync(join(root, file), 'utf8')
const isTest = (file: string): boolean => /\.(test|fuzz|bench)\.tsx?$/.test(file) || file.includes('/e2e/')
const sources = files.filter((file) => /\.tsx?$/.test(file) && !file.endsWith('.d.ts'))
const markdown = files.filter((file) => file.endsWith('.md'))

function importsOf(file: string): string[] {
  return [...text(file).matchAll(/^\s*(?:import|export)\b[^'"]*?from '([^']+)'|\bimport\(\s*'([^']+)'/gm)].map(
    (match) => match[1] ?? match[2]!,
  )
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

it('keeps imports pointing one way', () => {
  const wrong: string[] = []
  for (const [folder, allowed] of Object.entries(mayImport)) {
    for (const file of sources.filter((source) => source.startsWith(`${folder}/`))) {
      const permitted = isTest(file) || file.includes('/testing/') ? [...allowed, '@millrace/testing'] : allowed
      for (const specifier of importsOf(file)) {
        const name = packageName(specifier)
        if (ours.includes(name) && !permitted.includes(name)) wrong.push(`${file} imports ${specifier}`)
        if (specifier.startsWith('.') && !normalize(join(dirname(file), specifier)).startsWith(`${folder}/`)) {
          wrong.push(`${file} reaches out of its package: ${specifier}`)
        }
      }
    }
  }
  expect(wrong).toEqual([])
})

it('keeps the engine free of dependencies', () => {
  const wrong: string[] = []
  for (const folder of withoutDependencies) {
    const manifest = JSON.parse(text(`${folder}/package.json`)) as Record<string, object | undefined>
    for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies']) {
      if (Object.keys(manifest[kind] ?? {}).length > 0) wrong.push(`${folder}/package.json has ${kind}`)
    }
    for (const file of sources.filter((source) => source.startsWith(`${folder}/src/`) && !isTest(source))) {
      for (const specifier of importsOf(file)) {
        if (!specifier.startsWith('.') && !specifier.startsWith('node:')) wrong.push(`${file} imports ${specifier}`)
      }
    }
  }
  expect(wrong).toEqual([])
})

it('declares every package that is imported', () => {
  const rootManifest = JSON.parse(text('package.json')) as { devDependencies: object }
  const wrong: string[] = []
  for (const folder of Object.keys(mayImport)) {
    const manifest = existsSync(join(root, folder, 'package.json')) ? text(`${folder}/package.json`) : '{}'
    const parsed = JSON.parse(manifest) as Record<string, object | undefined>
    const declared = new Set([
      ...Object.keys(parsed['dependencies'] ?? {}),
      ...Object.keys(parsed['devDependencies'] ?? {}),
      ...Object.keys(parsed['peerDependencies'] ?? {}),
      ...Object.keys(rootManifest.devDependencies),
      ...ours,
    ])
    for (const file of sources.filter((source) => source.startsWith(`${folder}/`))) {
      for (const specifier of importsOf(file)) {
        const isLocal = specifier.startsWith('.') || specifier.startsWith('node:') || specifier.startsWith('/')
        if (folder !== 'bench' && !isLocal && !declared.has(packageName(specifier))) {
          wrong.push(`${file} imports ${specifier}, which ${folder}/package.json does not declare`)
        }
      }
    }
  }
  expect(wrong).toEqual([])
})

// What the one production `Env` is made of.
const WORLD_FILES = ['/env.ts', '/disk/node-files.ts', '/disk/node-lock.ts']

it('lets the engine touch the world in env.ts and its files only', () => {
  const world =
    /\bDate\.now\b|\bnew Date\b|\bMath\.random\b|\bset(?:Timeout|Interval|Immediate)\b|\bperformance\.now\b|node:fs|node:crypto/
  const wrong = sources.filter(
    (file) =>
      file.startsWith('packages/engine/src/') &&
      !isTest(file) &&
      !WORLD_FILES.some((end) => file.endsWith(end)) &&
      world.test(code(file)),
  )
  expect(wrong).toEqual([])
})

it('has one public list for a package and no wildcard exports', () => {
  const wrong = sources.filter((file) => /^export \* /m.test(text(file)))
  expect(wrong).toEqual([])
})

it('opens every source file with what it is', () => {
  const wrong = sources.filter((file) => {
    const isList = file.endsWith('/index.ts')
    return !isTest(file) && !isList && !/^(#![^\n]*\n)?(\/\*\*|\/\/)/.test(text(file))
  })
  expect(wrong).toEqual([])
})

it(`keeps source files under ${linesMax} lines`, () => {
  const wrong = sources
    .filter((file) => !isTest(file) && !file.includes('/conformance'))
    .map((file) => ({ file, lines: text(file).split('\n').length }))
    .filter(({ lines }) => lines > linesMax)
  expect(wrong).toEqual([])
})

it('names folders after ideas', () => {
  const wrong = new Set<string>()
  for (const file of sources) {
    for (const folder of dirname(file).split('/')) if (bannedFolders.includes(folder)) wrong.add(dirname(file))
  }
  expect([...wrong]).toEqual([])
})

// This file is left out: it has to write down the words that it looks for.
it('holds no focused or skipped test and no unfinished note', () => {
  const wrong = sources.filter(
    (file) =>
      file !== 'tidy.test.ts' && /\b(?:it|test|describe)\.(?:only|skip|todo)\b|\b(?:TODO|FIXME)\b/.test(text(file)),
  )
  expect(wrong).toEqual([])
})

it('holds no path of a machine and no registry host', () => {
  const parent = dirname(root)
  const wrong = files
    .filter((file) => !/\.(png|ico|woff2)$/.test(file))
    .filter(
      (file) =>
        (parent.length > 1 && text(file).includes(`${parent}/`)) || /registry\.[a-z.]+\.(org|com)/.test(text(file)),
    )
    .filter((file) => file !== 'tidy.test.ts')
  expect(wrong).toEqual([])
})

it('has a heading in docs/errors.md for every error code', () => {
  const codes = [...text('packages/millrace/src/errors.ts').matchAll(/\| '([A-Z_]+)'/g)].map((match) => match[1]!)
  const headings = new Set([...text('docs/errors.md').matchAll(/^### `([A-Z_]+)`/gm)].map((match) => match[1]!))
  expect(codes.length).toBeGreaterThan(10)
  expect(codes.filter((errorCode) => !headings.has(errorCode))).toEqual([])
})

it('links only to files that exist', () => {
  const wrong: string[] = []
  for (const file of markdown) {
    for (const match of text(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g)) {
      const target = match[1]!
      const path = target.startsWith('/handbook/')
        ? `docs/handbook/${target.slice('/handbook/'.length)}.md`
        : normalize(join(dirname(file), target))
      if (!existsSync(join(root, path))) wrong.push(`${file}: ${target}`)
    }
  }
  expect(wrong).toEqual([])
})

it('speaks in ARCHITECTURE.md of files that exist', () => {
  const named = [
    ...text('ARCHITECTURE.md').matchAll(/`((?:packages|apps|testing|bench|scripts|docs)\/[\w./-]+)`/g),
  ].map((match) => match[1]!)
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([])
})

it('numbers the decisions and lists each package in a README of its own', () => {
  const decisions = readdirSync(join(root, 'docs/decisions')).filter((name) => name.endsWith('.md'))
  expect(decisions.filter((name) => !/^\d{3}-[a-z0-9-]+\.md$/.test(name))).toEqual([])
  const numbers = decisions.map((name) => name.slice(0, 3))
  expect(new Set(numbers).size).toBe(numbers.length)
  const packages = Object.keys(mayImport).filter((folder) => folder !== 'bench')
  expect(packages.filter((folder) => !existsSync(join(root, folder, 'README.md')))).toEqual([])
})

/** The file without comments, so that a word in a sentence is not taken for a call. */
function code(file: string): string {
  return text(file)
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/^\s*\/\/.*$|\s\/\/ .*$/gm, '')
}
