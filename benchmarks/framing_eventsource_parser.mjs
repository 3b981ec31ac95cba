// Times eventsource-parser on a stream: node framing_eventsource_parser.mjs STREAM '[0, 65536, 16]' (0: one event per read).
import { readFileSync } from 'node:fs'
import { createParser } from 'eventsource-parser'

const { version } = JSON.parse(readFileSync('node_modules/eventsource-parser/package.json', 'utf8'))
const stream = readFileSync(process.argv[2], 'utf8')
const events = stream.split('\n\n').slice(0, -1).map((block) => block + '\n\n')

const cut = (size) => {
  if (size === 0) return events
  const reads = []
  for (let start = 0; start < stream.length; start += size) reads.push(stream.slice(start, start + size))
  return reads
}

const measure = (reads) => {
  const times = []
  for (let round = 0; round < 40; round++) {
    let count = 0
    const parser = createParser({ onEvent: (event) => { count += event.data.length > 0 ? 1 : 0 } })
    const start = process.cpuUsage()
    for (const text of reads) parser.feed(text)
    const spent = process.cpuUsage(start)
    if (count !== events.length) throw new Error(`${count} of ${events.length}`)
    times.push((spent.user + spent.system) / count)
  }
  return times.sort((a, b) => a - b)[times.length >> 1]
}

console.log(JSON.stringify([version, ...JSON.parse(process.argv[3]).map((size) => measure(cut(size)))]))
