import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { readByteSize } from './embedded/byte-size.ts'
import { connect } from './connect.ts'
import { readTarget } from './connect-target.ts'

const directory = (path: string): unknown => ({ kind: 'directory', path })
const refused = (target: string | readonly string[]): string => {
  try {
    return `taken as ${JSON.stringify(readTarget(target))}`
  } catch (error) {
    expect(error).toMatchObject({ code: 'BAD_ARGUMENT' })
    return (error as Error).message
  }
}

it('takes what looks like a path for a directory, wherever the process goes later', () => {
  expect(readTarget('./data')).toEqual(directory(resolve('data')))
  expect(readTarget('../data')).toEqual(directory(resolve('../data')))
  expect(readTarget('.')).toEqual(directory(process.cwd()))
  expect(readTarget('.millrace')).toEqual(directory(resolve('.millrace')))
  expect(readTarget('/var/data')).toEqual(directory('/var/data'))
  expect(readTarget('data/here')).toEqual(directory(resolve('data/here')))
  expect(readTarget('./a,b: c')).toEqual(directory(resolve('a,b: c')))
})

it('takes file: with a path or a URL', () => {
  expect(readTarget('file:./data')).toEqual(directory(resolve('data')))
  expect(readTarget('file:data')).toEqual(directory(resolve('data')))
  expect(readTarget('file:/var/data')).toEqual(directory('/var/data'))
  expect(readTarget('file:///var/a%20b')).toEqual(directory('/var/a b'))
  expect(refused('file:')).toContain('names no path')
  expect(refused('file://host/data')).toContain('file://host/data')
})

it('takes redis URLs, one, several or a list, and nothing for memory', () => {
  expect(readTarget(undefined)).toEqual({ kind: 'memory' })
  expect(readTarget('redis://a:1')).toEqual({ kind: 'redis', urls: ['redis://a:1'] })
  expect(readTarget(' rediss://a:1, redis://b:2,')).toEqual({ kind: 'redis', urls: ['rediss://a:1', 'redis://b:2'] })
  expect(readTarget(['redis://a:1'])).toEqual({ kind: 'redis', urls: ['redis://a:1'] })
})

it('refuses what could be meant for a server, and says what to write', () => {
  expect(refused('localhost:6379')).toContain("a server: 'redis://localhost:6379'")
  expect(refused('127.0.0.1:6379/0')).toContain("a server: 'redis://127.0.0.1:6379/0'")
  expect(refused('redis:/host')).toContain("a server: 'redis://host'")
  expect(refused('rediss:host:6380')).toContain("a server: 'rediss://host:6380'")
  expect(refused('localhost')).toContain("a directory: './localhost'; a server: 'redis://localhost'")
  expect(refused('http://host/x')).toContain("got 'http://host/x'")
  expect(refused('~/data')).toContain('write the path in full')
  expect(refused('')).toContain('an empty one')
  expect(refused([])).toContain('an empty one')
})

it('repeats no password', () => {
  expect(refused('user:secret@host:6379')).toContain("'redis://…@host:6379'")
  expect(refused('redis:/user:secret@host')).not.toContain('secret')
  expect(refused('http://user:secret@host/')).not.toContain('secret')
})

it('refuses options of a directory where there is none', async () => {
  await expect(connect(undefined, { fsync: 'always' })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  await expect(connect('redis://127.0.0.1:1', { memory: '1gb' })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  await expect(connect('./not-made', { memory: 'much' })).rejects.toThrow("such as '256mb', at least 1mb, got 'much'")
  const sometimes = { fsync: 'sometimes' } as unknown as { fsync: 'no' }
  await expect(connect('./not-made', sometimes)).rejects.toThrow("always, everysec or no, got 'sometimes'")
})

it('reads sizes as people write them', () => {
  const sizes = ['256mb', '1GB', ' 2048kb ', '5000000', '1048576b', 1 << 20]
  expect(sizes.map((size) => readByteSize('memory', size, 1 << 20))).toEqual([
    256 * 2 ** 20,
    2 ** 30,
    2 ** 21,
    5_000_000,
    2 ** 20,
    2 ** 20,
  ])
  for (const size of ['', 'mb', '1.5gb', '-1gb', '1tb', '1023kb', '999999999999999gb', NaN, Infinity]) {
    expect(() => readByteSize('memory', size, 1 << 20), String(size)).toThrow('memory: expected')
  }
})
