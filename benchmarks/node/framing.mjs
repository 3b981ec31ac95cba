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

const measure = (reads, asText) => {
  const times = []
  for (let round = 0; round < 40; round++) {
    let count = 0
    const parser = createParser({ onEvent: (event) => { count += event.data.length > 0 ? 1 : 0 } })
    const text = asText()
    const start = process.cpuUsage()
    for (const read of reads) parser.feed(text(read))
    const spent = process.cpuUsage(start)
    if (count !== events.length) throw new Error(`${count} of ${events.length}`)
    times.push((spent.user + spent.system) / count)
  }
  return times.sort((a, b) => a - b)[times.length >> 1]
}

const fromText = () => (read) => read
const fromBytes = () => {
  const decoder = new TextDecoder()
  return (read) => decoder.decode(read, { stream: true })
}

const figures = JSON.parse(process.argv[3]).map((size) => {
  const reads = cut(size)
  return [measure(reads, fromText), measure(reads.map((text) => Buffer.from(text)), fromBytes)]
})
console.log(JSON.stringify([version, ...figures]))
