import { connect } from 'millrace'
const m = await connect()
const mode = process.argv[2]
if (mode === 'add') {
  for (let r = 0; r < 6; r++) {
    const t = performance.now()
    for (let i = 0; i < 500_000; i++) await m.backend.add('s', ['field', 'abcdefghijklmnopqrstuvwxyz01'])
    console.log(((performance.now() - t) / 500_000 * 1e6).toFixed(0), 'ns')
    await m.backend.expire('s', 0)
  }
} else {
  await m.backend.createGroup('s', 'g')
  const positions = new Map([['s', '>' as const]])
  for (let r = 0; r < 6; r++) {
    let a = 0, b = 0, c = 0
    for (let i = 0; i < 4000; i++) {
      let t = performance.now()
      const calls = []
      for (let k = 0; k < 100; k++) calls.push(m.backend.add('s', ['field', 'abcdefghijklmnopqrstuvwxyz01']))
      await Promise.all(calls)
      let u = performance.now(); a += u - t
      const found = await m.backend.readGroup({ group: 'g', consumer: 'c' }, positions, { count: 100 })
      t = performance.now(); b += t - u
      const done = await m.backend.settle('s', 'g', 'c', found.get('s')!.map((e) => e.id))
      if (done.length !== 100) throw new Error('x')
      c += performance.now() - t
    }
    console.log('per entry ns: add', (a / 400_000 * 1e6).toFixed(0), 'read', (b / 400_000 * 1e6).toFixed(0), 'settle', (c / 400_000 * 1e6).toFixed(0))
  }
}
await m.close()
