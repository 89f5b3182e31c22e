/** A server with a directory: loading, refusing, saving. Lines are those of redis-server 7.0.15, as observed. */
import { afterEach, expect, it } from 'vitest'
import type { ServerOptions } from './options.ts'
import { HandClock } from './testing/hand-clock.ts'
import { HandDisk } from './testing/hand-disk.ts'
import { Server } from './server.ts'
import { Talk } from './talk.ts'

const LOADING = '-LOADING Redis is loading the dataset in memory'
const NO_JOURNAL = '-MISCONF Errors writing to the AOF file: No space left on device'
const NO_SNAPSHOT =
  "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify " +
  'the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails ' +
  '(stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.'
const QUICK = { port: 0, bind: ['127.0.0.1'], directory: '/nowhere' } as const

let disk: HandDisk
let talk: Talk
let log: string[]
afterEach(async () => await talk.end())

async function start(options: ServerOptions = {}): Promise<void> {
  disk = new HandDisk()
  disk.isQuick = true
  log = []
  talk = await Talk.start({ ...QUICK, openDurability: disk.opener(), log: (line) => log.push(line), ...options })
}

async function info(field: string): Promise<string | undefined> {
  return new RegExp(`(?:^| )${field}:(\\S*)`).exec(await talk.ask('INFO persistence'))?.[1]
}

/** A server that listens, and loads until the disk is told that it has. */
async function startHeld(): Promise<{ readonly listening: Server; readonly started: Promise<Server> }> {
  disk = new HandDisk()
  disk.isQuick = true
  const openDurability = disk.opener({ isHeld: true })
  return await new Promise((resolve) => {
    const started = Server.start({
      ...QUICK,
      openDurability,
      onListening: (listening) => resolve({ listening, started }),
    })
  })
}

it('answers LOADING to what needs the data until they are read, and tells how far it is', async () => {
  disk = new HandDisk()
  disk.isQuick = true
  const { listening, started } = await startHeld()
  talk = await Talk.to(listening)
  for (const command of ['GET a', 'SET a b', 'PING', 'BGSAVE', 'SAVE', 'BGREWRITEAOF', 'DBSIZE'])
    expect(`${command} ${await talk.ask(command)}`).toBe(`${command} ${LOADING}`)
  expect(await talk.ask('ECHO')).toBe("-ERR wrong number of arguments for 'echo' command")
  expect(await talk.ask('ECHO a')).toBe('$1 a')
  expect(await talk.ask('SELECT 1')).toBe('+OK')
  expect(await talk.ask('PUBLISH a b')).toBe(':0')
  expect(await talk.ask('MULTI')).toBe('+OK')
  expect(await talk.ask('GET a')).toBe(LOADING)
  expect(await talk.ask('EXEC')).toBe('-EXECABORT Transaction discarded because of previous errors.')
  disk.progress({ bytes: 250, bytesTotal: 1000 })
  expect(await info('loading')).toBe('1')
  expect(await info('loading_total_bytes')).toBe('1000')
  expect(await info('loading_loaded_bytes')).toBe('250')
  expect(await info('loading_loaded_perc')).toBe('25.00')
  disk.loaded()
  await started
  expect(await info('loading')).toBe('0')
  expect(await info('loading_total_bytes')).toBe(undefined)
  expect(await talk.ask('GET a')).toBe('$-1')
})

it('does not start when the data cannot be read, and says so to whoever starts it', async () => {
  await start()
  const { listening, started } = await startHeld()
  disk.loadFailed(new Error('journal-000001 is damaged at 17'))
  await expect(started).rejects.toThrow('journal-000001 is damaged at 17')
  await expect(Talk.to(listening)).rejects.toThrow('ECONNREFUSED')
})

it('refuses what makes the data larger while the disk is full, and goes on with the rest', async () => {
  await start()
  await talk.ask('XADD s 1-1 a b')
  await talk.ask('XGROUP CREATE s g 0')
  disk.refuse({ kind: 'growing', reason: 'No space left on device' })
  for (const command of ['SET a b', 'XADD s * a b', 'PING', 'XGROUP CREATE s h 0'])
    expect(`${command} ${await talk.ask(command)}`).toBe(`${command} ${NO_JOURNAL}`)
  expect(await talk.ask('XREADGROUP GROUP g c STREAMS s >')).toMatch(/1-1/)
  expect(await talk.ask('XACK s g 1-1')).toBe(':1')
  expect(await talk.ask('XDEL s 1-1')).toBe(':1')
  expect(await talk.ask('GET a')).toBe('$-1')
  expect(await info('aof_last_write_status')).toBe('err')
  disk.refuse(undefined)
  expect(await talk.ask('SET a b')).toBe('+OK')
  expect(log).toEqual([
    'Refused for now is what makes the data larger: No space left on device',
    'Writes are taken again',
  ])
})

it('refuses all that writes while nothing can be written, in transactions and scripts as well', async () => {
  const lua = "return redis.call('SET', KEYS[1], 'b')"
  await start({ scripts: [{ lua, run: (context, [key = '']) => context.call('SET', key, 'b') }] })
  await talk.ask('MULTI')
  await talk.ask('SET a b')
  disk.refuse({ kind: 'all', reason: 'ENOSPC: no space left on device, write' })
  expect(await talk.ask('EXEC')).toBe(`-EXECABORT Transaction discarded because of: ${NO_JOURNAL.slice(1)}`)
  expect(await talk.ask('MULTI')).toBe('+OK')
  expect(await talk.ask('XACK s g 1-1')).toBe(NO_JOURNAL)
  expect(await talk.ask('GET a')).toBe('+QUEUED')
  expect(await talk.ask('EXEC')).toBe('-EXECABORT Transaction discarded because of previous errors.')
  expect(await talk.ask(['EVAL', lua, '1', 'a'])).toBe(NO_JOURNAL)
  for (const command of ['DEL a', 'FUNCTION FLUSH', 'XREADGROUP GROUP g c STREAMS s >'])
    expect(`${command} ${await talk.ask(command)}`).toBe(`${command} ${NO_JOURNAL}`)
  for (const command of ['ECHO a', 'PUBLISH a b', 'CONFIG SET save 5'])
    expect(await talk.ask(command)).not.toMatch(/MISCONF/)
})

it('saves when it is told to, one snapshot at a time', async () => {
  await start()
  expect(await talk.ask('BGSAVE')).toBe('+Background saving started')
  expect(await info('rdb_bgsave_in_progress')).toBe('1')
  expect(await talk.ask('BGSAVE')).toBe('-ERR Background save already in progress')
  expect(await talk.ask('BGSAVE SCHEDULE')).toBe('-ERR Background save already in progress')
  expect(await talk.ask('SAVE')).toBe('-ERR Background save already in progress')
  expect(await talk.ask('BGSAVE now')).toBe('-ERR syntax error')
  expect(await talk.ask('BGREWRITEAOF')).toBe('+Background append only file rewriting scheduled')
  expect(await info('aof_rewrite_scheduled')).toBe('1')
  await disk.endSnapshot()
  expect(await info('aof_rewrite_in_progress')).toBe('1')
  expect(await talk.ask('BGREWRITEAOF')).toBe('-ERR Background append only file rewriting already in progress')
  expect(await talk.ask('BGSAVE')).toBe(
    "-ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE " +
      'whenever possible.',
  )
  expect(await talk.ask('BGSAVE SCHEDULE')).toBe('+Background saving scheduled')
  await disk.endSnapshot()
  expect(await info('rdb_bgsave_in_progress')).toBe('1')
  await disk.endSnapshot()
  expect(await talk.ask('LASTSAVE')).toBe(':1600000000')
  expect([await info('rdb_saves'), await info('aof_rewrites')]).toEqual(['3', '1'])
  talk.say('SAVE')
  await disk.endSnapshot()
  expect(await talk.hear(1)).toEqual(['+OK'])
  expect(disk.snapshots).toBe(4)
})

it('lets a client wait for SAVE, and nobody else', async () => {
  await start()
  talk.say('SAVE', 'PING')
  const other = await talk.another()
  while (!(await other.ask('INFO persistence')).includes('rdb_bgsave_in_progress:1')) continue
  expect(await other.ask('SET a b')).toBe('+OK')
  expect(await other.ask('SAVE')).toBe('-ERR Background save already in progress')
  await disk.endSnapshot()
  expect(await talk.hear(2)).toEqual(['+OK', '+PONG'])
})

it('begins a snapshot that a transaction asks for when that is over', async () => {
  await start()
  await talk.ask('MULTI')
  for (const command of ['SET a b', 'BGSAVE', 'SET a c']) await talk.ask(command)
  expect(await talk.ask('EXEC')).toBe('*3 +OK +Background saving scheduled +OK')
  expect(disk.groups).toEqual([2])
  expect(await info('rdb_bgsave_in_progress')).toBe('1')
  await disk.endSnapshot()
})

it('refuses writes after a BGSAVE that failed, where snapshots are asked for and it is told to', async () => {
  await start({ config: { save: '900 1' } })
  await talk.ask('BGSAVE')
  await disk.endSnapshot(new Error('ENOSPC: no space left on device'))
  expect(log).toEqual(['A snapshot could not be written: ENOSPC: no space left on device'])
  expect(await info('rdb_last_bgsave_status')).toBe('err')
  expect(await talk.ask('SET a b')).toBe(NO_SNAPSHOT)
  expect(await talk.ask('PING')).toBe(NO_SNAPSHOT)
  expect(await talk.ask('GET a')).toBe('$-1')
  expect(await talk.ask('CONFIG SET stop-writes-on-bgsave-error no')).toBe('+OK')
  expect(await talk.ask('SET a b')).toBe('+OK')
  await talk.ask('CONFIG SET stop-writes-on-bgsave-error yes')
  expect(await talk.ask('SET a b')).toBe(NO_SNAPSHOT)
  talk.say('SAVE', 'SHUTDOWN SAVE', 'SAVE')
  await disk.endSnapshot(new Error('EIO'))
  await disk.endSnapshot(new Error('EIO'))
  await disk.endSnapshot()
  expect(await talk.hear(3)).toEqual(['-ERR', '-ERR Errors trying to SHUTDOWN. Check logs.', '+OK'])
  expect(await talk.ask('SET a b')).toBe('+OK')
})

it('saves by itself after so many changes and seconds, and not soon again when that failed', async () => {
  const env = new HandClock()
  await start({ env, config: { save: '60 2' } })
  await talk.ask('SET a b')
  env.advance(61_000)
  expect(await info('rdb_bgsave_in_progress')).toBe('0')
  await talk.ask('SET a c')
  env.advance(1000)
  expect(await info('rdb_bgsave_in_progress')).toBe('1')
  expect(await info('rdb_changes_since_last_save')).toBe('2')
  await disk.endSnapshot(new Error('EIO'))
  env.advance(4000)
  expect(await info('rdb_bgsave_in_progress')).toBe('0')
  env.advance(2000)
  expect(await info('rdb_bgsave_in_progress')).toBe('1')
  await disk.endSnapshot()
  expect(await info('rdb_changes_since_last_save')).toBe('0')
})

it('writes a snapshot when the journal has grown by so much', async () => {
  const env = new HandClock()
  await start({ env })
  expect(await talk.ask('CONFIG SET auto-aof-rewrite-min-size 150')).toBe('+OK')
  disk.journalBytes = 160
  env.advance(1000)
  expect(await info('aof_rewrite_in_progress')).toBe('0')
  disk.journalBytes = 201
  env.advance(1000)
  expect(await info('aof_rewrite_in_progress')).toBe('1')
  await disk.endSnapshot()
  expect(await talk.ask('CONFIG SET auto-aof-rewrite-percentage 0')).toBe('+OK')
  env.advance(2000)
  expect(await info('aof_rewrite_in_progress')).toBe('0')
})

it('tells and takes the parameters of what is kept', async () => {
  await start()
  expect(await talk.ask('CONFIG GET dir')).toBe('*2 $3 dir $8 /nowhere')
  expect(await talk.ask('CONFIG GET appendonly')).toBe('*2 $10 appendonly $3 yes')
  expect(await talk.ask('CONFIG GET appendfsync')).toBe('*2 $11 appendfsync $6 always')
  expect(disk.fsync).toBe('always')
  expect(await talk.ask('CONFIG SET appendfsync everysec')).toBe('+OK')
  expect(disk.fsync).toBe('everysec')
  expect(await talk.ask('CONFIG SET appendonly yes')).toBe('+OK')
  expect(await talk.ask('CONFIG SET appendonly no')).toMatch(/always writes its journal$/)
  for (const save of ['foo', '900 1 300', '0 1', '900 -1']) {
    expect(await talk.ask(['CONFIG', 'SET', 'save', save])).toBe(
      "-ERR CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters",
    )
  }
  expect(await talk.ask(['CONFIG', 'SET', 'save', '900 1 300  10'])).toBe('+OK')
  expect(await talk.ask('CONFIG GET save')).toBe('*2 $4 save $12 900 1 300 10')
})

it('tells of the journal what there is', async () => {
  await start()
  disk.journalBytes = 400
  expect(await info('aof_enabled')).toBe('1')
  expect(await info('aof_current_size')).toBe('400')
  expect(await info('aof_base_size')).toBe('100')
  expect(await info('journal_unsynced_bytes')).toBe('7')
})

it('writes a last snapshot with SHUTDOWN SAVE, and ends', async () => {
  await start()
  talk.say('SHUTDOWN SAVE')
  await disk.endSnapshot()
  while (!disk.isClosed) await new Promise((resolve) => setImmediate(resolve))
  expect(disk.snapshots).toBe(1)
})

it('ends with SHUTDOWN SAVE FORCE though the snapshot fails', async () => {
  await start()
  talk.say('SHUTDOWN SAVE FORCE')
  await disk.endSnapshot(new Error('EIO'))
  while (!disk.isClosed) await new Promise((resolve) => setImmediate(resolve))
  expect(disk.snapshots).toBe(0)
})

it('waits with WAITAOF until what was written is on stable storage, or the time is over', async () => {
  await start({ config: { appendfsync: 'everysec' } })
  expect(await talk.ask('WAITAOF 1 0 0')).toBe('*2 :1 :0')
  expect(await talk.ask('SET a b')).toBe('+OK')
  expect(await talk.ask('WAITAOF 0 0 0')).toBe('*2 :0 :0')
  expect(await talk.ask('WAITAOF 1 0 1')).toBe('*2 :0 :0')
  talk.say('WAITAOF 1 0 0')
  while (talk.server.state.blockedClients.size === 0) await new Promise((resolve) => setImmediate(resolve))
  disk.makeDurable()
  expect(await talk.hear(1)).toEqual(['*2 :1 :0'])
  await talk.ask('MULTI')
  await talk.ask('SET a c')
  await talk.ask('WAITAOF 1 0 0')
  expect(await talk.ask('EXEC')).toBe('*2 +OK *2 :0 :0')
})
