// Times the openai SDK on a stream: node openai_sdk.mjs STREAM '[0, 65536]' (0: one event per read).
import { readFileSync } from 'node:fs'
import OpenAI from 'openai'

const stream = readFileSync(process.argv[2], 'utf8')
const events = stream.split('\n\n').slice(0, -1).map((block) => block + '\n\n')
const encoder = new TextEncoder()

const cut = (size) => {
  if (size === 0) return events.map((text) => encoder.encode(text))
  const bytes = encoder.encode(stream)
  const reads = []
  for (let start = 0; start < bytes.length; start += size) reads.push(bytes.subarray(start, start + size))
  return reads
}

const answer = (reads) => {
  let next = 0
  const body = new ReadableStream({
    pull(controller) {
      if (next < reads.length) controller.enqueue(reads[next++])
      else controller.close()
    },
  })
  return new Response(body, { status: 200, headers: { 'content-type': 'text/event-stream' } })
}

const measure = async (reads) => {
  const times = []
  let text = ''
  for (let round = 0; round < 8; round++) {
    const client = new OpenAI({ apiKey: 'none', baseURL: 'http://127.0.0.1:9/v1', fetch: async () => answer(reads) })
    const start = process.cpuUsage()
    const chunks = await client.chat.completions.create({ model: 'm', messages: [], stream: true })
    text = ''
    let count = 0
    for await (const chunk of chunks) {
      text += chunk.choices[0]?.delta?.content ?? ''
      count++
    }
    const spent = process.cpuUsage(start)
    times.push((spent.user + spent.system) / count)
  }
  return [times.sort((a, b) => a - b)[times.length >> 1], text]
}

const figures = []
for (const size of JSON.parse(process.argv[3])) figures.push(await measure(cut(size)))
console.log(JSON.stringify(figures))
