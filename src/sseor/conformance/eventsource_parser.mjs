// The adapter for eventsource-parser: npm install eventsource-parser, then
//   sseor conform decoder --command "node eventsource_parser.mjs"
// For another decoder in JavaScript change the two marked places.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { createParser } from 'eventsource-parser' // 1: the decoder

const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')

const versionOf = (name) => {
  // Not every package lets its package.json be imported, so it is looked for beside the module.
  let url = new URL('.', import.meta.resolve(name))
  for (;;) {
    try {
      const found = JSON.parse(readFileSync(new URL('package.json', url), 'utf8'))
      if (found.name === name) return found.version
    } catch {}
    const parent = new URL('..', url)
    if (parent.href === url.href) return ''
    url = parent
  }
}

const play = (reads) => {
  const answer = { items: [] }
  let after = 0
  const began = process.cpuUsage()
  try { // 2: how it is fed, and what it gives
    const text = new TextDecoder()
    const parser = createParser({
      onId: (id) => { answer.last_event_id = id }, // since 4.1: before the event, and also without one
      onEvent: ({ data, event, id }) =>
        answer.items.push({ data, event, id: answer.last_event_id ?? id, after }),
      onComment: (comment) => answer.items.push({ comment, after }),
      onRetry: (time) => { answer.reconnection_time = time },
    })
    for (const read of reads) {
      after += 1
      parser.feed(text.decode(read, { stream: true }))
    }
    after += 1
    parser.feed(text.decode())
  } catch (error) {
    answer.error = String(error)
  }
  const { user, system } = process.cpuUsage(began)
  return { ...answer, cpu: (user + system) / 1e6 }
}

say({ protocol: 1, name: 'eventsource-parser', version: versionOf('eventsource-parser') })
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { play: number, reads } = JSON.parse(line)
  say({ play: number, ...play(reads.map((read) => Buffer.from(read, 'base64'))) })
}
