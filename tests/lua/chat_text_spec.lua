-- What is pure in the chat: places in its text, code blocks, what stands below an answer.
local actions = require('assistant.chat.actions')
local footer = require('assistant.chat.footer')
local sources = require('assistant.chat.sources')

local function at(line, col)
  return { sources.at(line, col) }
end

it('a place of one line is written with one number', function()
  eq('a.py:3', sources.format({ path = 'a.py', startLine = 3, endLine = 3 }))
  eq('a.py:3-9', sources.format({ path = 'a.py', startLine = 3, endLine = 9 }))
end)

it('the place under the cursor wins, else the only one of the line', function()
  eq({ 'a.py', 3 }, at('see `a.py:3-9` there', 0))
  eq({ 'b.py', 7 }, at('a.py:3 and (b.py:7)', 13))
  eq({}, at('a.py:3 and b.py:7', 8))
end)

it('an address and a time are no places', function()
  eq({}, at('http://127.0.0.1:11434', 3))
  eq({}, at('no place at all', 3))
end)

it('a mention of lines is a place', function()
  eq({ 'a.py', 3 }, at('@file:a.py:3-9', 2))
end)

it('a path with spaces is the whole line', function()
  eq({ 'a b.py', 3 }, { sources.whole('a b.py:3-9') })
  eq({}, { sources.whole('nothing') })
end)

it('paths are resolved against the root, absolute ones are not', function()
  eq('/p/a.py', sources.resolve('a.py', '/p'))
  eq('/a.py', sources.resolve('a.py', '/'))
  eq('/x/a.py', sources.resolve('/x/a.py', '/p'))
  eq('a.py', sources.resolve('a.py', nil))
end)

local ANSWER = {
  'Text', -- 1
  '```python', -- 2
  'x = 1', -- 3
  '```', -- 4
  'between', -- 5
  '````', -- 6
  '```', -- 7
  'inner', -- 8
  '````', -- 9
  '~~~', -- 10
  'open', -- 11
}

it('the block around the cursor is found, fences included', function()
  eq({ 'x = 1' }, actions.block_at(ANSWER, 2))
  eq({ 'x = 1' }, actions.block_at(ANSWER, 4))
  eq(nil, actions.block_at(ANSWER, 1))
  eq(nil, actions.block_at(ANSWER, 5))
end)

it('a longer fence holds a shorter one', function()
  eq({ '```', 'inner' }, actions.block_at(ANSWER, 8))
end)

it('a block that was never closed ends with the answer', function()
  eq({ 'open' }, actions.block_at(ANSWER, 11))
end)

local function below(ended, is_stopped)
  ended.problems = ended.problems or {}
  return vim.tbl_map(function(line)
    return line.text
  end, footer.lines(ended, is_stopped or false))
end

it('an answer with nothing to tell is followed by the next heading', function()
  eq({ '', '# You', '', '' }, below({ result = { tokens = { limit = 0 } } }))
end)

it('sources, what was left out and the meter follow in this order', function()
  eq(
    {
      '',
      'Sources:',
      'a.py:1-2',
      '',
      'Left out: @file: names no path',
      'Left out: b.env: it looks like a secret',
      '30 / 100 tokens · m',
      '',
      '# You',
      '',
      '',
    },
    below({
      problems = { '@file: names no path' },
      result = {
        sources = { { path = 'a.py', startLine = 1, endLine = 2 } },
        dropped = { 'b.env: it looks like a secret' },
        tokens = { prompt = 20, answer = 10, limit = 100 },
        model = 'm',
      },
    })
  )
end)

it('an error is one line with its hint, and the draft stays', function()
  local err = { code = 1001, message = 'no\nanswer', data = { hint = 'Start it.' } }
  eq(
    { '', 'Error: no answer. Start it.', '', '# You', '', 'my draft' },
    below({ error = err, draft = 'my draft' })
  )
end)

it('what was stopped is no error', function()
  local err = { code = -32800, message = 'stopped' }
  eq({ '', 'Stopped.', '', '# You', '', '' }, below({ error = err }, true))
end)
