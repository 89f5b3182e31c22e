/**
 * The arguments of stream commands, as COMMAND DOCS tells them: a tree for each command, put together from a few kinds of
 * argument. What 7.0 has is told as 7.0 tells it; what is newer stands where redis.io's syntax lines have it.
 */
import type { ArgumentDoc } from '../command.ts'

type Docs = readonly ArgumentDoc[]

const key: ArgumentDoc = { name: 'key', type: 'key', keySpecIndex: 0 }
const text = (name: string, token?: string): ArgumentDoc => ({ name, type: 'string', ...(token && { token }) })
const number = (name: string, token?: string): ArgumentDoc => ({ name, type: 'integer', ...(token && { token }) })
const word = (name: string, token: string): ArgumentDoc => ({ name, type: 'pure-token', token })
const oneOf = (name: string, ...args: Docs): ArgumentDoc => ({ name, type: 'oneof', arguments: args })
const block = (name: string, ...args: Docs): ArgumentDoc => ({ name, type: 'block', arguments: args })
const optional = (argument: ArgumentDoc): ArgumentDoc => ({ ...argument, isOptional: true })
const many = (argument: ArgumentDoc): ArgumentDoc => ({ ...argument, isMultiple: true })
const since = (version: string, argument: ArgumentDoc): ArgumentDoc => ({ ...argument, since: version })

const references = optional(
  since('8.2.0', oneOf('condition', word('keepref', 'KEEPREF'), word('delref', 'DELREF'), word('acked', 'ACKED'))),
)
const trim = block(
  'trim',
  oneOf('strategy', word('maxlen', 'MAXLEN'), since('6.2.0', word('minid', 'MINID'))),
  optional(oneOf('operator', word('equal', '='), word('approximately', '~'))),
  text('threshold'),
  optional(since('6.2.0', number('count', 'LIMIT'))),
)
const ids: ArgumentDoc = { ...block('ids', number('numids'), many(text('id'))), token: 'IDS' }
const streams: ArgumentDoc = { ...block('streams', many(key), many(text('id'))), token: 'STREAMS' }
const totals: Docs = [
  optional(since('8.10.0', number('maxcount', 'MAXCOUNT'))),
  optional(since('8.10.0', number('maxsize', 'MAXSIZE'))),
]
const groupFrom = oneOf('id', text('id'), word('new_id', '$'))

export const streamDocs = {
  xadd: [
    key,
    optional(since('6.2.0', word('nomkstream', 'NOMKSTREAM'))),
    references,
    optional(
      since(
        '8.6.0',
        oneOf('idmp', text('pid', 'IDMPAUTO'), { ...block('idmp-manual', text('pid'), text('iid')), token: 'IDMP' }),
      ),
    ),
    optional(trim),
    oneOf('id_or_auto', word('auto_id', '*'), text('id')),
    many(block('field_value', text('field'), text('value'))),
  ],
  xlen: [key],
  xrange: [key, text('start'), text('end'), optional(number('count', 'COUNT'))],
  xrevrange: [key, text('end'), text('start'), optional(number('count', 'COUNT'))],
  xdel: [key, many(text('id'))],
  xdelex: [key, references, ids],
  xtrim: [key, trim, references],
  xsetid: [
    key,
    text('last-id'),
    optional(since('7.0.0', number('entries_added', 'ENTRIESADDED'))),
    optional(since('7.0.0', text('max_deleted_entry_id', 'MAXDELETEDID'))),
  ],
  xread: [optional(number('count', 'COUNT')), ...totals, optional(number('milliseconds', 'BLOCK')), streams],
  xreadgroup: [
    { ...block('group_consumer', text('group'), text('consumer')), token: 'GROUP' },
    optional(number('count', 'COUNT')),
    ...totals,
    optional(number('milliseconds', 'BLOCK')),
    optional(since('8.4.0', number('min-idle-time', 'CLAIM'))),
    optional(word('noack', 'NOACK')),
    streams,
  ],
  xack: [key, text('group'), many(text('id'))],
  xackdel: [key, text('group'), references, ids],
  xnack: [
    key,
    text('group'),
    oneOf('mode', word('silent', 'SILENT'), word('fail', 'FAIL'), word('fatal', 'FATAL')),
    ids,
    optional(number('count', 'RETRYCOUNT')),
    optional(word('force', 'FORCE')),
  ],
  xpending: [
    key,
    text('group'),
    optional(
      block(
        'filters',
        optional(since('6.2.0', number('min-idle-time', 'IDLE'))),
        text('start'),
        text('end'),
        number('count'),
        optional(text('consumer')),
      ),
    ),
  ],
  xclaim: [
    key,
    text('group'),
    text('consumer'),
    text('min-idle-time'),
    many(text('id')),
    optional(number('ms', 'IDLE')),
    optional({ name: 'unix-time-milliseconds', type: 'unix-time', token: 'TIME' }),
    optional(number('count', 'RETRYCOUNT')),
    optional(word('force', 'FORCE')),
    optional(word('justid', 'JUSTID')),
    optional(text('id', 'LASTID')),
  ],
  xautoclaim: [
    key,
    text('group'),
    text('consumer'),
    text('min-idle-time'),
    text('start'),
    optional(number('count', 'COUNT')),
    optional(word('justid', 'JUSTID')),
  ],
  groupCreate: [
    key,
    text('groupname'),
    groupFrom,
    optional(word('mkstream', 'MKSTREAM')),
    optional(number('entries_read', 'ENTRIESREAD')),
  ],
  groupSetId: [key, text('groupname'), groupFrom, optional(number('entries_read', 'ENTRIESREAD'))],
  group: [key, text('groupname')],
  consumer: [key, text('groupname'), text('consumername')],
  infoStream: [key, optional({ ...block('full', optional(number('count', 'COUNT'))), token: 'FULL' })],
  infoGroups: [key],
  xcfgset: [key, optional(number('duration', 'IDMP-DURATION')), optional(number('maxsize', 'IDMP-MAXSIZE'))],
  xidmprecord: [key, text('pid'), text('iid'), text('stream-id')],
} satisfies Record<string, Docs>
